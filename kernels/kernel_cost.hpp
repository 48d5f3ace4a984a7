// FLOP and bytes of each kernel from its key: hardware FLOP (what is executed), minimum traffic.
#pragma once

#include "kernels/kernel_key.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What the kernel executes: GEMM 2mnk; attention forward 4 b s^2 a e, backward 2.5 times that,
/// both halved when causal (FlashAttention's benchmark convention); element-wise kernels a small
/// number per element.
[[nodiscard]] Flops hardware_flops(const KernelKey& key);

/// Every operand read or written once (read_write: twice): the sum over `operands_of(key)`, but of
/// a table only the rows that a look-up can touch.
[[nodiscard]] Bytes minimum_traffic(const KernelKey& key);

/// What the kernel needs beside its operands while it runs: of Mamba-2's dual form the fp32 states
/// at the ends of chunks, heads * head size * state each, and C B^T within chunks (state-spaces/
/// mamba, ssd_combined.py); backward the gradients of both as well. Else nothing.
[[nodiscard]] Bytes workspace(const KernelKey& key);

/// Whether FLOP limit the kernel; bytes limit the others.
[[nodiscard]] bool is_matrix_work(KernelOp op);

}  // namespace forerun
