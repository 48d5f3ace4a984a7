// Conversion of runs between bf16 storage and fp32.
#include "kernels/host/typed_array.hpp"

#include <algorithm>

#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION void widen(const Bf16* from, float* to, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = widened(from[i]);
  }
}

FORERUN_MULTIVERSION void narrow(const float* from, Bf16* to, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = narrowed(from[i]);
  }
}

}  // namespace

const float* TypedArray::read(std::int64_t first, std::int64_t count, float* buffer) const {
  if (type_ == DataType::fp32) {
    return floats() + first;
  }
  widen(halves() + first, buffer, count);
  return buffer;
}

void TypedArray::read_into(float* target, std::int64_t first, std::int64_t count) const {
  if (type_ == DataType::fp32) {
    std::copy_n(floats() + first, count, target);
  } else {
    widen(halves() + first, target, count);
  }
}

float* TypedArray::target(std::int64_t first, float* buffer) const {
  return type_ == DataType::fp32 ? floats() + first : buffer;
}

float* TypedArray::open(std::int64_t first, std::int64_t count, float* buffer) const {
  if (type_ == DataType::fp32) {
    return floats() + first;
  }
  widen(halves() + first, buffer, count);
  return buffer;
}

void TypedArray::commit(std::int64_t first, std::int64_t count, const float* values) const {
  if (type_ != DataType::fp32) {
    narrow(values, halves() + first, count);
  } else if (values != floats() + first) {
    std::copy_n(values, count, floats() + first);
  }
}

}  // namespace forerun::host
