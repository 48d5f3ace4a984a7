// Sums, dot products and maxima of runs of floats.
#pragma once

#include <cstdint>

namespace forerun::host {

[[nodiscard]] float sum(const float* x, std::int64_t count);
[[nodiscard]] float sum_of_squares(const float* x, std::int64_t count);
/// Sum of (x - centre)^2.
[[nodiscard]] float sum_of_squares_about(float centre, const float* x, std::int64_t count);
/// -infinity for none.
[[nodiscard]] float maximum(const float* x, std::int64_t count);
/// y += x.
void accumulate(const float* x, float* y, std::int64_t count);

}  // namespace forerun::host
