// Vectorised loops over runs.
#include "kernels/host/reductions.hpp"

#include <limits>

#include "units/multiversion.hpp"

namespace forerun::host {

FORERUN_MULTIVERSION float sum(const float* x, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    total += x[i];
  }
  return total;
}

FORERUN_MULTIVERSION float sum_of_squares(const float* x, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    total += x[i] * x[i];
  }
  return total;
}

FORERUN_MULTIVERSION float sum_of_squares_about(float centre, const float* x, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    const float distance = x[i] - centre;
    total += distance * distance;
  }
  return total;
}

FORERUN_MULTIVERSION float dot(const float* x, const float* y, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    total += x[i] * y[i];
  }
  return total;
}

FORERUN_MULTIVERSION float maximum(const float* x, std::int64_t count) {
  float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
  for (std::int64_t i = 0; i < count; ++i) {
    largest = x[i] > largest ? x[i] : largest;
  }
  return largest;
}

FORERUN_MULTIVERSION void accumulate(const float* x, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] += x[i];
  }
}

FORERUN_MULTIVERSION void add_scaled(const float* x, float factor, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] += factor * x[i];
  }
}

FORERUN_MULTIVERSION void scale_to(const float* x, float factor, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = factor * x[i];
  }
}

FORERUN_MULTIVERSION void scale_run(float* x, float factor, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    x[i] *= factor;
  }
}

}  // namespace forerun::host
