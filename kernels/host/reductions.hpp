// Sums, dot products and maxima of runs of floats, and multiples of runs.
#pragma once

#include <cstdint>

namespace forerun::host {

[[nodiscard]] float sum(const float* x, std::int64_t count);
[[nodiscard]] float sum_of_squares(const float* x, std::int64_t count);
/// Sum of (x - centre)^2.
[[nodiscard]] float sum_of_squares_about(float centre, const float* x, std::int64_t count);
[[nodiscard]] float dot(const float* x, const float* y, std::int64_t count);
/// -infinity for none.
[[nodiscard]] float maximum(const float* x, std::int64_t count);
/// y += x.
void accumulate(const float* x, float* y, std::int64_t count);
/// y += factor x.
void add_scaled(const float* x, float factor, float* y, std::int64_t count);
/// y = factor x, which may be the same run.
void scale_to(const float* x, float factor, float* y, std::int64_t count);
/// x *= factor.
void scale_run(float* x, float factor, std::int64_t count);

}  // namespace forerun::host
