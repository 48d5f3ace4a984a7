// Operands of the router and of the permutations around the experts.
#include "kernels/operand_lists.hpp"

namespace forerun {

using operand_words::fp32;
using operand_words::read;
using operand_words::write;

std::vector<Operand> list_operands(const KernelKey& key, const RouterShape& s) {
  const std::int64_t choices = s.tokens * s.top_k;
  const bool writes_choices = key.op == KernelOp::router_forward;
  const Operand chosen{"chosen", DataType::int32, choices, writes_choices ? write : read};
  switch (key.op) {
    case KernelOp::router_forward:
      return {{"logits", key.type, s.tokens * s.experts, read},
              {"weights", fp32, choices, write},
              chosen};
    case KernelOp::router_backward:
      return {chosen,
              {"weights", fp32, choices, read},
              {"d_weights", fp32, choices, read},
              {"d_logits", key.type, s.tokens * s.experts, write}};
    default:  // expert_sort
      return {chosen,
              {"ends", DataType::int32, s.experts, write},
              {"row_of", DataType::int32, choices, write}};
  }
}

std::vector<Operand> list_operands(const KernelKey& key, const PermuteShape& s) {
  const std::int64_t narrow = s.tokens * s.columns;
  const std::int64_t wide = s.top_k * narrow;
  const Operand row_of{"row_of", DataType::int32, s.tokens * s.top_k, read};
  const Operand weights{"weights", fp32, s.tokens * s.top_k, read};
  switch (key.op) {
    case KernelOp::permute_forward:
      return {{"x", key.type, narrow, read}, row_of, {"y", key.type, wide, write}};
    case KernelOp::permute_backward:
      return {{"dy", key.type, wide, read}, row_of, {"dx", key.type, narrow, write}};
    case KernelOp::unpermute_forward:
      return {{"y", key.type, wide, read}, row_of, weights, {"out", key.type, narrow, write}};
    default:  // unpermute_backward
      return {{"y", key.type, wide, read},
              row_of,
              weights,
              {"d_out", key.type, narrow, read},
              {"dy", key.type, wide, write},
              {"d_weights", fp32, s.tokens * s.top_k, write}};
  }
}

}  // namespace forerun
