#include "estimator/rehearse/kernel_scalars.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/step/stage_weights.hpp"

namespace forerun {

std::int64_t first_row(const Job& job, std::int64_t tensor_rank, std::int64_t rows) {
  const std::int64_t all = job.recipe.sequence / job.layout.context * job.recipe.micro_batch;
  return rows < all ? tensor_rank * rows : 0;
}

std::int64_t first_row(const Job& job, std::int64_t tensor_rank, const KernelKey& key) {
  const auto* const table = std::get_if<TableShape>(&key.shape);
  return table != nullptr ? first_row(job, tensor_rank, table->tokens) : 0;
}

KernelScalars scalars_of(const Job& job,
                         std::int64_t tensor_rank,
                         std::int64_t step,
                         const KernelKey& key) {
  KernelScalars scalars;
  const std::int64_t vocabulary =
      padded_vocabulary(job.model.vocabulary, job.layout.tensor) / job.layout.tensor;
  scalars.scale = 1.0 / static_cast<double>(job.recipe.global_batch * job.recipe.sequence);
  scalars.adamw.step = step + 1;
  switch (key.op) {
    case KernelOp::embedding_forward:
    case KernelOp::embedding_backward:
    case KernelOp::cross_entropy_max:
    case KernelOp::cross_entropy_sum:
    case KernelOp::cross_entropy_gradient:
      scalars.first = tensor_rank * vocabulary;
      scalars.valid = std::clamp<std::int64_t>(job.model.vocabulary - scalars.first, 0, vocabulary);
      break;
    case KernelOp::attention_forward:
    case KernelOp::attention_backward:
      scalars.first_head = tensor_rank * local_heads(job);
      scalars.all_heads = job.model.attention.heads;
      scalars.softcap = job.model.attention.softcap.value_or(scalars.softcap);
      break;
    case KernelOp::softcap_forward:
    case KernelOp::softcap_backward:
      scalars.softcap = job.model.logit_softcap.value_or(scalars.softcap);
      break;
    case KernelOp::scale:
      scalars.scale = std::sqrt(static_cast<double>(job.model.hidden));
      break;
    case KernelOp::position_forward:
    case KernelOp::position_backward:
      scalars.first = first_row(job, tensor_rank, key);
      break;
    default:
      break;
  }
  return scalars;
}

}  // namespace forerun
