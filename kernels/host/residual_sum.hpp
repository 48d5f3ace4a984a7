// The residual addition in front of a norm, row by row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/host/kernel_call.hpp"

namespace forerun::host {

/// Adds operands 0 and 1 of the row into operand `sum` and returns what is stored there, as floats:
/// in bf16 the rounded sum. `buffer` holds three rows.
[[nodiscard]] const float* stored_sum(const KernelCall& call,
                                      std::size_t sum,
                                      std::int64_t row,
                                      float* buffer);

}  // namespace forerun::host
