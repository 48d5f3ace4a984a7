// Every kernel once more, sequential, in double precision, written as the formula reads.
#pragma once

#include <vector>

#include "kernels/kernel_key.hpp"
#include "kernels/operands.hpp"

namespace forerun {

/// One vector per operand of `operands_of`, integers as doubles.
using ReferenceOperands = std::vector<std::vector<double>>;

/// Computes what the key's operand contract says; written operands are resized and overwritten.
void run_reference(const KernelKey& key, const KernelScalars& scalars, ReferenceOperands& operands);

}  // namespace forerun
