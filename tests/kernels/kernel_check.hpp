// Runs a kernel on a device and on the reference with the same numbers, and compares.
#pragma once

#include "kernels/device.hpp"
#include "tests/kernels/reference.hpp"

namespace forerun {

/// The nearest value that the type can store (fp32, bf16 and saturating FP8 to nearest even,
/// int32), as a double.
[[nodiscard]] double stored(double value, DataType type);

/// Random normal inputs that the types can store exactly, the same for the same seed. What a
/// backward kernel reads from its forward one (out, lse, rstd, ...) comes from the reference, so
/// that the set is consistent. Tokens and targets fall a little outside [first, first + local) too.
[[nodiscard]] ReferenceOperands random_operands(const KernelKey& key,
                                                const KernelScalars& scalars = {},
                                                unsigned seed = 1);

/// The operands after the device ran the key; those that it only writes start as NaN.
[[nodiscard]] ReferenceOperands run_on(Device& device,
                                       const KernelKey& key,
                                       const KernelScalars& scalars,
                                       const ReferenceOperands& operands);

/// |a - b| / |b| in the Euclidean norm; |a| if b is zero; NaN if either holds one;
/// equal infinities do not differ.
[[nodiscard]] double relative_error(const std::vector<double>& a, const std::vector<double>& b);

/// What fp32 arithmetic or one rounding to bf16 leaves. fp32: 1e-5, some hundred roundings of 6e-8
/// that add up as a random walk, with room for the 2e-7 of the exponential. bf16: 4e-3, one
/// rounding of each result is at most 2^-9 = 2e-3 of it. FP8: 0, casts are exact.
[[nodiscard]] double tolerance(DataType type);

/// Fails the running test where an operand that the kernel writes is off by more than `tolerance`
/// of its type (fp32 results of bf16 kernels are held to fp32).
void expect_agrees(Device& device,
                   const KernelKey& key,
                   const KernelScalars& scalars = {},
                   unsigned seed = 1);

/// The key that a text names; fails the running test when it names none.
[[nodiscard]] KernelKey key_of(std::string_view text);

}  // namespace forerun
