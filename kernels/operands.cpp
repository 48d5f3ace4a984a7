// The operand lists of every kernel, as kernels/operands.hpp states them.
#include "kernels/operands.hpp"

#include <array>

#include "kernels/nf4.hpp"
#include "kernels/operand_lists.hpp"

namespace forerun {
namespace {

using operand_words::fp32;
using operand_words::read;
using operand_words::update;
using operand_words::write;

Operand product_operand(const KernelKey& key, GemmOutput output, std::int64_t elements) {
  const DataType stored = is_fp8(key.type) ? DataType::bf16 : key.type;
  return output == GemmOutput::store ? Operand{"C", stored, elements, write}
                                     : Operand{"C", fp32, elements, update};
}

std::vector<Operand> list_operands(const KernelKey& key, const GemmShape& s) {
  const Operand product = product_operand(key, s.output, s.m * s.n);
  if (!is_fp8(key.type)) {
    return {{"A", key.type, s.m * s.k, read}, {"B", key.type, s.k * s.n, read}, product};
  }
  return {{"A", key.type, s.m * s.k, read},
          {"B", DataType::fp8_e4m3, s.k * s.n, read},
          {"scale_a", fp32, 1, read},
          {"scale_b", fp32, 1, read},
          product};
}

std::vector<Operand> list_operands(const KernelKey& key, const GroupedGemmShape& s) {
  const std::int64_t wide = s.rows * s.n;
  const std::int64_t narrow = s.rows * s.k;
  const std::int64_t weights = s.groups * s.n * s.k;
  const Operand ends{"ends", DataType::int32, s.groups, read};
  const auto list = [&](std::int64_t a, std::int64_t b, std::int64_t c) {
    return std::vector<Operand>{{"A", key.type, a, read},
                                {"B", key.type, b, read},
                                ends,
                                product_operand(key, s.output, c)};
  };
  switch (s.layout) {
    case GemmLayout::nt:
      return list(narrow, weights, wide);
    case GemmLayout::nn:
      return list(wide, weights, narrow);
    case GemmLayout::tn:
      return list(wide, narrow, weights);
  }
  return {};
}

std::vector<Operand> list_operands(const KernelKey& key, const AttentionKeyShape& s) {
  if (key.op != KernelOp::attention_forward && key.op != KernelOp::attention_backward) {
    return list_unfused_attention_operands(key, s);
  }
  const bool forward = key.op == KernelOp::attention_forward;
  const std::int64_t tokens = s.batch * s.length;
  const std::int64_t keys = s.batch * key_length(s) * s.kv_heads;
  const std::int64_t outputs = tokens * s.heads * value_size(s);
  std::vector<Operand> list;
  if (is_packed(s)) {
    list = {{"qkv", key.type, tokens * (s.heads + 2 * s.kv_heads) * s.head_size, read}};
  } else {
    list = {{"q", key.type, tokens * s.heads * s.head_size, read},
            {"k", key.type, keys * s.head_size, read},
            {"v", key.type, keys * value_size(s), read}};
  }
  const auto inputs = static_cast<std::ptrdiff_t>(list.size());
  list.push_back({"out", key.type, outputs, forward ? write : read});
  list.push_back({"lse", fp32, tokens * s.heads, forward ? write : read});
  if (!forward) {
    constexpr std::array<std::string_view, 3> gradient_names{"dq", "dk", "dv"};
    list.push_back({"d_out", key.type, outputs, read});
    for (std::ptrdiff_t i = 0; i < inputs; ++i) {
      const Operand input = list[static_cast<std::size_t>(i)];
      const std::string_view name =
          inputs == 1 ? "d_qkv" : gradient_names[static_cast<std::size_t>(i)];
      list.push_back({name, key.type, input.elements, write});
    }
  }
  return list;
}

std::vector<Operand> list_operands(const KernelKey& key, const DecodeShape& s) {
  const std::int64_t cached = s.batch * s.kv_heads * s.context;
  if (key.op == KernelOp::latent_decode_attention) {
    return {{"q", key.type, s.batch * s.heads * s.head_size, read},
            {"cache", key.type, cached * s.head_size, read},
            {"out", key.type, s.batch * s.heads * value_size(s), write}};
  }
  return {{"q", key.type, s.batch * s.heads * s.head_size, read},
          {"k_cache", key.type, cached * s.head_size, read},
          {"v_cache", key.type, cached * value_size(s), read},
          {"out", key.type, s.batch * s.heads * value_size(s), write}};
}

std::vector<Operand> list_add_norm_operands(const KernelKey& key, const RowsShape& s) {
  const DataType type = key.type;
  const std::int64_t all = s.rows * s.columns;
  const bool is_layer_norm =
      key.op == KernelOp::add_layer_norm_forward || key.op == KernelOp::add_layer_norm_backward;
  const bool forward =
      key.op == KernelOp::add_rms_norm_forward || key.op == KernelOp::add_layer_norm_forward;
  const Operand weight{"weight", type, s.columns, read};
  const Operand statistics{is_layer_norm ? "stats" : "rstd",
                           fp32,
                           (is_layer_norm ? 2 : 1) * s.rows,
                           forward ? write : read};
  if (forward) {
    std::vector<Operand> list = {{"x", type, all, read}, {"residual", type, all, read}, weight};
    if (is_layer_norm) {
      list.push_back({"bias", type, s.columns, read});
    }
    list.push_back({"sum", type, all, write});
    list.push_back({"y", type, all, write});
    list.push_back(statistics);
    return list;
  }
  std::vector<Operand> list = {{"sum", type, all, read},
                               weight,
                               statistics,
                               {"dy", type, all, read},
                               {"d_sum", type, all, read},
                               {"dx", type, all, write},
                               {"d_weight", fp32, s.columns, update}};
  if (is_layer_norm) {
    list.push_back({"d_bias", fp32, s.columns, update});
  }
  return list;
}

std::vector<Operand> list_cast_operands(const KernelKey& key, const RowsShape& s) {
  const std::int64_t all = s.rows * s.columns;
  return {{"x", DataType::bf16, all, read},
          {"scale", fp32, 1, read},
          {"y", key.type, all, write},
          {"y_transposed", key.type, all, write},
          {"amax", fp32, 1, write}};
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
    case KernelOp::layer_norm_nobias_forward:
      return {x, weight, {"y", type, all, write}, {"stats", fp32, 2 * s.rows, write}};
    case KernelOp::layer_norm_nobias_backward:
      return {x, weight, {"stats", fp32, 2 * s.rows, read}, dy, dx, d_weight};
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
    case KernelOp::geglu_forward:
      return {{"u", type, 2 * all, read}, {"y", type, all, write}};
    case KernelOp::swiglu_backward:
    case KernelOp::geglu_backward:
      return {{"u", type, 2 * all, read}, {"dy", type, all, read}, {"du", type, 2 * all, write}};
    case KernelOp::gelu_forward:
    case KernelOp::relu_forward:
    case KernelOp::relu_squared_forward:
      return {{"u", type, all, read}, {"y", type, all, write}};
    case KernelOp::gelu_backward:
    case KernelOp::relu_backward:
    case KernelOp::relu_squared_backward:
      return {{"u", type, all, read}, {"dy", type, all, read}, {"du", type, all, write}};
    case KernelOp::softcap_forward:
      return {{"x", type, all, read}, {"y", type, all, write}};
    case KernelOp::softcap_backward:
      return {{"x", type, all, read}, {"dy", type, all, read}, {"dx", type, all, write}};
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
    case KernelOp::layer_norm_nobias_forward:
    case KernelOp::layer_norm_nobias_backward:
      return list_norm_operands(key, s);
    case KernelOp::cross_entropy_max:
    case KernelOp::cross_entropy_sum:
    case KernelOp::cross_entropy_gradient:
      return list_cross_entropy_operands(key, s);
    case KernelOp::add_rms_norm_forward:
    case KernelOp::add_rms_norm_backward:
    case KernelOp::add_layer_norm_forward:
    case KernelOp::add_layer_norm_backward:
      return list_add_norm_operands(key, s);
    case KernelOp::cast:
      return list_cast_operands(key, s);
    case KernelOp::dropout_forward:
    case KernelOp::dropout_backward:
    case KernelOp::bias_dropout_add_forward:
    case KernelOp::bias_gelu_forward:
    case KernelOp::bias_gelu_backward:
      return list_dropout_operands(key, s);
    case KernelOp::row_gate_forward:
    case KernelOp::row_gate_backward:
    case KernelOp::sigmoid_gate_forward:
    case KernelOp::sigmoid_gate_backward:
      return list_gate_operands(key, s);
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
  if (key.op == KernelOp::widen) {
    return {{"from", key.type, s.elements, read}, {"to", fp32, s.elements, write}};
  }
  if (key.op == KernelOp::narrow) {
    return {{"from", fp32, s.elements, read}, {"to", key.type, s.elements, write}};
  }
  if (key.op == KernelOp::accumulate) {
    return {{"from", key.type, s.elements, read}, {"to", fp32, s.elements, update}};
  }
  if (key.op == KernelOp::square_sum) {
    return {{"x", key.type, s.elements, read}, {"sum", fp32, 1, update}};
  }
  if (key.op == KernelOp::dequantize) {
    return {{"codes", DataType::uint8, nf4_code_bytes(s.elements), read},
            {"blocks", DataType::uint8, nf4_blocks(s.elements), read},
            {"groups", fp32, nf4_groups(s.elements), read},
            {"to", key.type, s.elements, write}};
  }
  if (key.op == KernelOp::scale) {
    return {{"x", key.type, s.elements, update}};
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

std::size_t bytes_of(const Operand& operand) {
  return static_cast<std::size_t>(operand.elements) * element_bytes(operand.type);
}

std::vector<Operand> operands_of(const KernelKey& key) {
  return std::visit([&key](const auto& shape) { return list_operands(key, shape); }, key.shape);
}

}  // namespace forerun
