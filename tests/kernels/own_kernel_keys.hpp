// The shapes on which our own CUDA kernels are checked, emulated and on a GPU.
#pragma once

#include <span>
#include <string>

#include "kernels/operands.hpp"

namespace forerun {

/// Keys without a number format, "rms_norm_forward rows=1 columns=3"; each is checked in fp32 and
/// bf16. Sizes lie on both sides of every tile and vector width.
[[nodiscard]] std::span<const char* const> row_keys();
[[nodiscard]] std::span<const char* const> head_keys();
/// The sizes only, "batch=1 length=1 ...": for both directions.
[[nodiscard]] std::span<const char* const> attention_sizes();
[[nodiscard]] std::span<const char* const> expert_keys();
[[nodiscard]] std::span<const char* const> scan_keys();

/// Keys with their number format: integers and FP8.
[[nodiscard]] std::span<const char* const> typed_keys();

/// Keys with their number format whose results depend on the scalars, and scalars that are not the
/// defaults: a rank that holds vocabulary rows or token rows from 5 on, with 600 real columns; a
/// large epsilon, step and learning rate; a cap that bends.
[[nodiscard]] std::span<const char* const> scalar_keys();
[[nodiscard]] KernelScalars unusual_scalars();

/// "rms_norm_forward fp32 rows=1 columns=3".
[[nodiscard]] std::string with_type(std::string text, const std::string& type);

}  // namespace forerun
