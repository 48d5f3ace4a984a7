// bf16 attention by cuDNN: one compiled plan a key, bound to its operands at each call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "kernels/cuda/dnn_plan.hpp"
#include "kernels/cuda/handles.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun::cuda {

/// The GPU's major compute capability and cudnnGetVersion().
struct FusedAttentionPlace {
  int compute_major = 0;
  std::size_t cudnn_version = 0;
};

/// Why cuDNN's fused attention does not run this operation in bf16; empty when it does.
[[nodiscard]] std::optional<std::string> fused_attention_refusal(KernelOp op,
                                                                 const AttentionKeyShape& shape,
                                                                 const FusedAttentionPlace& place);

class AttentionRunner {
 public:
  /// `ordinal` is the GPU's; work goes to `stream`.
  AttentionRunner(int ordinal, cudaStream_t stream);

  /// Why cuDNN's fused attention does not run this operation on this GPU; empty when it does.
  [[nodiscard]] std::optional<std::string> refuses(KernelOp op,
                                                   const AttentionKeyShape& shape) const;

  /// `operands` as in kernels/operands.hpp; plans are compiled at the first call of a key, which
  /// takes seconds.
  void run(const KernelKey& key, std::span<void* const> operands, Scratch& scratch);

  /// cuDNN's index of the engine that runs the key.
  [[nodiscard]] std::int64_t engine(const KernelKey& key) { return plan_for(key).engine(); }

 private:
  [[nodiscard]] const DnnPlan& plan_for(const KernelKey& key);
  void forward(const KernelKey& key, std::span<void* const> operands, Scratch& scratch);
  void backward(const KernelKey& key, std::span<void* const> operands, Scratch& scratch);

  DnnHandle handle_;
  DnnDescriptor device_;
  FusedAttentionPlace place_;
  std::map<KernelKey, DnnPlan> plans_;
};

}  // namespace forerun::cuda
