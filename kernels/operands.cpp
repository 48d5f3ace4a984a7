// The operand lists of every kernel, as kernels/operands.hpp states them.
#include "kernels/operands.hpp"

namespace forerun {
namespace {

constexpr DataType fp32 = DataType::fp32;
constexpr Access read = Access::read;
constexpr Access write = Access::write;
constexpr Access update = Access::read_write;

std::vector<Operand> list_operands(const KernelKey& key, const GemmShape& s) {
  const bool stores = s.output == GemmOutput::store;
  return {{"A", key.type, s.m * s.k, read},
          {"B", key.type, s.k * s.n, read},
          {"C", stores ? key.type : fp32, s.m * s.n, stores ? write : update}};
}

std::vector<Operand> list_operands(const KernelKey& key, const AttentionKeyShape& s) {
  const std::int64_t tokens = s.batch * s.length;
  const std::int64_t packed = tokens * (s.heads + 2 * s.kv_heads) * s.head_size;
  const std::int64_t outputs = tokens * s.heads * s.head_size;
  const bool forward = key.op == KernelOp::attention_forward;
  std::vector<Operand> list = {{"qkv", key.type, packed, read},
                               {"out", key.type, outputs, forward ? write : read},
                               {"lse", fp32, tokens * s.heads, forward ? write : read}};
  if (!forward) {
    list.push_back({"d_out", key.type, outputs, read});
    list.push_back({"d_qkv", key.type, packed, write});
  }
  return list;
}

std::vector<Operand> list_norm_operands(const KernelKey& key, const RowsShape& s) {
  const DataType type = key.type;
  const std::int64_t all = s.rows * s.columns;
  const Operand x{"x", type, all, read};
  const Operand weight{"weight", type, s.columns, read};
  const Operand dy{"dy", type, all, read};
  const Operand dx{"dx", type, all, write};
  const Operand d_weight{"d_weight", fp32, s.columns, update};
  switch (key.op) {
    case KernelOp::rms_norm_forward:
      return {x, weight, {"y", type, all, write}, {"rstd", fp32, s.rows, write}};
    case KernelOp::rms_norm_backward:
      return {x, weight, {"rstd", fp32, s.rows, read}, dy, dx, d_weight};
    case KernelOp::layer_norm_forward:
      return {x,
              weight,
              {"bias", type, s.columns, read},
              {"y", type, all, write},
              {"stats", fp32, 2 * s.rows, write}};
    default:  // layer_norm_backward
      return {x,
              weight,
              {"stats", fp32, 2 * s.rows, read},
              dy,
              dx,
              d_weight,
              {"d_bias", fp32, s.columns, update}};
  }
}

std::vector<Operand> list_cross_entropy_operands(const KernelKey& key, const RowsShape& s) {
  const std::int64_t all = s.rows * s.columns;
  const Operand logits{"logits", key.type, all, read};
  const Operand row_max{"row_max", fp32, s.rows, read};
  const Operand targets{"targets", DataType::int32, s.rows, read};
  switch (key.op) {
    case KernelOp::cross_entropy_max:
      return {logits, {"row_max", fp32, s.rows, write}};
    case KernelOp::cross_entropy_sum:
      return {logits, row_max, targets, {"sums", fp32, 2 * s.rows, write}};
    default:  // cross_entropy_gradient
      return {{"logits", key.type, all, update},
              row_max,
              {"sums", fp32, 2 * s.rows, read},
              targets,
              {"loss", fp32, s.rows, write}};
  }
}

std::vector<Operand> list_element_operands(const KernelKey& key, const RowsShape& s) {
  const DataType type = key.type;
  const std::int64_t all = s.rows * s.columns;
  switch (key.op) {
    case KernelOp::swiglu_forward:
      return {{"u", type, 2 * all, read}, {"y", type, all, write}};
    case KernelOp::swiglu_backward:
      return {{"u", type, 2 * all, read}, {"dy", type, all, read}, {"du", type, 2 * all, write}};
    case KernelOp::gelu_forward:
      return {{"u", type, all, read}, {"y", type, all, write}};
    case KernelOp::gelu_backward:
      return {{"u", type, all, read}, {"dy", type, all, read}, {"du", type, all, write}};
    case KernelOp::add:
      return {{"a", type, all, read}, {"b", type, all, read}, {"sum", type, all, write}};
    case KernelOp::bias_forward:
      return {{"bias", type, s.columns, read}, {"y", type, all, update}};
    default:  // bias_backward
      return {{"dy", type, all, read}, {"d_bias", fp32, s.columns, update}};
  }
}

std::vector<Operand> list_operands(const KernelKey& key, const RowsShape& s) {
  switch (key.op) {
    case KernelOp::rms_norm_forward:
    case KernelOp::rms_norm_backward:
    case KernelOp::layer_norm_forward:
    case KernelOp::layer_norm_backward:
      return list_norm_operands(key, s);
    case KernelOp::cross_entropy_max:
    case KernelOp::cross_entropy_sum:
    case KernelOp::cross_entropy_gradient:
      return list_cross_entropy_operands(key, s);
    default:
      return list_element_operands(key, s);
  }
}

std::vector<Operand> list_operands(const KernelKey& key, const HeadsShape& s) {
  const std::int64_t packed = s.tokens * (s.heads + 2 * s.kv_heads) * s.head_size;
  const Operand qkv{"qkv", key.type, packed, read};
  const Operand q_weight{"q_weight", key.type, s.head_size, read};
  const Operand k_weight{"k_weight", key.type, s.head_size, read};
  const std::int64_t normed_heads = s.tokens * (s.heads + s.kv_heads);
  switch (key.op) {
    case KernelOp::qk_norm_forward:
      return {qkv,
              q_weight,
              k_weight,
              {"qkv_out", key.type, packed, write},
              {"rstd", fp32, normed_heads, write}};
    case KernelOp::qk_norm_backward:
      return {qkv,
              q_weight,
              k_weight,
              {"rstd", fp32, normed_heads, read},
              {"d_qkv", key.type, packed, update},
              {"dq_weight", fp32, s.head_size, update},
              {"dk_weight", fp32, s.head_size, update}};
    default:  // rope_forward, rope_backward
      return {{"qkv", key.type, packed, update}};
  }
}

std::vector<Operand> list_operands(const KernelKey& key, const TableShape& s) {
  const std::int64_t rows = s.tokens * s.columns;
  const std::int64_t table = s.table_rows * s.columns;
  const Operand tokens{"tokens", DataType::int32, s.tokens, read};
  switch (key.op) {
    case KernelOp::embedding_forward:
      return {tokens, {"table", key.type, table, read}, {"y", key.type, rows, write}};
    case KernelOp::embedding_backward:
      return {tokens, {"dy", key.type, rows, read}, {"d_table", fp32, table, update}};
    case KernelOp::position_forward:
      return {{"table", key.type, table, read}, {"x", key.type, rows, update}};
    default:  // position_backward
      return {{"dx", key.type, rows, read}, {"d_table", fp32, table, update}};
  }
}

std::vector<Operand> list_operands(const KernelKey& key, const FlatShape& s) {
  if (key.op == KernelOp::copy) {
    return {{"from", key.type, s.elements, read}, {"to", key.type, s.elements, write}};
  }
  if (key.op == KernelOp::zero) {
    return {{"values", key.type, s.elements, write}};
  }
  const bool has_master = key.type != fp32;
  std::vector<Operand> list = {{"grad", fp32, s.elements, read},
                               {has_master ? "master" : "weight", fp32, s.elements, update},
                               {"m", fp32, s.elements, update},
                               {"v", fp32, s.elements, update}};
  if (has_master) {
    list.push_back({"weight", key.type, s.elements, write});
  }
  return list;
}

}  // namespace

std::vector<Operand> operands_of(const KernelKey& key) {
  return std::visit([&key](const auto& shape) { return list_operands(key, shape); }, key.shape);
}

}  // namespace forerun
