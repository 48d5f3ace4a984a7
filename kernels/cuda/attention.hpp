// bf16 self-attention by cuDNN: one compiled plan a shape, bound to packed rows at each call.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "kernels/cuda/dnn_plan.hpp"
#include "kernels/cuda/handles.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun::cuda {

class AttentionRunner {
 public:
  /// `ordinal` is the GPU's; work goes to `stream`.
  AttentionRunner(int ordinal, cudaStream_t stream);

  /// Why cuDNN's fused attention does not run this shape on this GPU; empty when it does.
  [[nodiscard]] std::optional<std::string> refuses(const AttentionKeyShape& shape) const;

  /// `operands` as in kernels/operands.hpp; plans are compiled at the first call of a shape, which
  /// takes seconds.
  void forward(const AttentionKeyShape& shape, std::span<void* const> operands, Scratch& scratch);
  void backward(const AttentionKeyShape& shape, std::span<void* const> operands, Scratch& scratch);

 private:
  DnnHandle handle_;
  DnnDescriptor device_;
  int compute_major_ = 0;
  std::map<AttentionKeyShape, DnnPlan> forward_plans_;
  std::map<AttentionKeyShape, DnnPlan> backward_plans_;
};

}  // namespace forerun::cuda
