// Operands of attention that stores its scores, of dropout and of kernels fused with a bias.
#include "kernels/operand_lists.hpp"

namespace forerun {

using operand_words::read;
using operand_words::write;

std::vector<Operand> list_unfused_attention_operands(const KernelKey& key,
                                                     const AttentionKeyShape& s) {
  const DataType type = key.type;
  const std::int64_t tokens = s.batch * s.length;
  const std::int64_t all = tokens * s.heads * key_length(s);
  const std::int64_t packed = tokens * (s.heads + 2 * s.kv_heads) * s.head_size;
  const std::int64_t outputs = tokens * s.heads * value_size(s);
  const std::int64_t values = tokens * s.kv_heads * value_size(s);
  switch (key.op) {
    case KernelOp::scores_forward:
      return {{"qkv", type, packed, read}, {"scores", type, all, write}};
    case KernelOp::softmax_forward:
      return {{"scores", type, all, read}, {"probabilities", type, all, write}};
    case KernelOp::context_forward:
      return {{"probabilities", type, all, read},
              {"qkv", type, packed, read},
              {"out", type, outputs, write}};
    case KernelOp::context_backward:
      return {{"probabilities", type, all, read},
              {"qkv", type, packed, read},
              {"d_out", type, outputs, read},
              {"d_probabilities", type, all, write},
              {"dv", type, values, write}};
    case KernelOp::softmax_backward:
      return {{"probabilities", type, all, read},
              {"d_probabilities", type, all, read},
              {"d_scores", type, all, write}};
    default:  // scores_backward
      return {{"d_scores", type, all, read},
              {"qkv", type, packed, read},
              {"dv", type, values, read},
              {"d_qkv", type, packed, write}};
  }
}

std::vector<Operand> list_dropout_operands(const KernelKey& key, const RowsShape& s) {
  const DataType type = key.type;
  const std::int64_t all = s.rows * s.columns;
  const Operand bias{"bias", type, s.columns, read};
  switch (key.op) {
    case KernelOp::dropout_forward:
      return {
          {"x", type, all, read}, {"y", type, all, write}, {"mask", DataType::uint8, all, write}};
    case KernelOp::dropout_backward:
      return {
          {"dy", type, all, read}, {"mask", DataType::uint8, all, read}, {"dx", type, all, write}};
    case KernelOp::bias_dropout_add_forward:
      return {{"x", type, all, read},
              bias,
              {"residual", type, all, read},
              {"y", type, all, write},
              {"mask", DataType::uint8, all, write}};
    case KernelOp::bias_gelu_forward:
      return {{"u", type, all, read}, bias, {"y", type, all, write}};
    default:  // bias_gelu_backward
      return {{"u", type, all, read}, bias, {"dy", type, all, read}, {"du", type, all, write}};
  }
}

}  // namespace forerun
