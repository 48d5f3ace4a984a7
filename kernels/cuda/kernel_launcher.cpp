// The choice of the library or kernel that runs a key.
#include "kernels/cuda/kernel_launcher.hpp"

#include <stdexcept>
#include <variant>

#include <fmt/format.h>

#include "kernels/valid_key.hpp"

namespace forerun::cuda {

KernelLauncher::KernelLauncher(int ordinal, cudaStream_t stream)
    : stream_(stream),
      gemm_(ordinal),
      head_products_(gemm_.handle()),
      attention_(ordinal, stream),
      own_(stream) {}

bool KernelLauncher::runs_on_cudnn(const KernelKey& key) const {
  const auto* shape = std::get_if<AttentionKeyShape>(&key.shape);
  const bool is_fused =
      key.op == KernelOp::attention_forward || key.op == KernelOp::attention_backward;
  return is_fused && shape != nullptr && key.type == DataType::bf16 &&
         !attention_.refuses(key.op, *shape).has_value();
}

std::optional<std::string> KernelLauncher::refuses(const KernelKey& key) const {
  if (auto reason = contradiction_in(key)) {
    return reason;
  }
  if (const auto* attention = std::get_if<AttentionKeyShape>(&key.shape);
      attention != nullptr && attention->scores != Scores::plain) {
    return "the CUDA kernels attend without ALiBi and without a cap on the scores";
  }
  if (key.op == KernelOp::gemm) {
    return gemm_.refuses(key);
  }
  if (HeadProductRunner::takes(key)) {
    return std::nullopt;
  }
  return runs_on_cudnn(key) ? std::nullopt : OwnKernels::refuses(key);
}

void KernelLauncher::launch(const KernelKey& key,
                            std::span<void* const> operands,
                            const KernelScalars& scalars) {
  if (const auto reason = refuses(key)) {
    throw std::invalid_argument(fmt::format("{}: {}", text_of(key), *reason));
  }
  if (operands.size() != operands_of(key).size()) {
    throw std::invalid_argument(fmt::format("{} takes {} operands, {} were given",
                                            text_of(key),
                                            operands_of(key).size(),
                                            operands.size()));
  }
  if (std::holds_alternative<GemmShape>(key.shape)) {
    gemm_.run(stream_, key, operands, scratch_.at_least(gemm_workspace_bytes));
  } else if (HeadProductRunner::takes(key)) {
    head_products_.run(stream_, key, operands, scratch_.at_least(gemm_workspace_bytes));
  } else if (runs_on_cudnn(key)) {
    attention_.run(key, operands, scratch_);
  } else {
    own_.launch(key, operands, scalars);
  }
}

std::string KernelLauncher::algorithm_of(const KernelKey& key) {
  if (std::holds_alternative<GemmShape>(key.shape)) {
    return fmt::format("cuBLASLt algorithm {}", gemm_.algorithm_id(key, cuda_malloc_alignment));
  }
  if (HeadProductRunner::takes(key)) {
    return fmt::format("cuBLASLt algorithm {}", head_products_.algorithm_id(key));
  }
  if (runs_on_cudnn(key)) {
    return fmt::format("cuDNN engine {}", attention_.engine(key));
  }
  return "own";
}

}  // namespace forerun::cuda
