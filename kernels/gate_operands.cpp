// Operands of gates, of norms behind gates, of columns and of the heads of latent attention.
#include "kernels/operand_lists.hpp"

namespace forerun {

using operand_words::fp32;
using operand_words::read;
using operand_words::update;
using operand_words::write;

std::vector<Operand> list_gate_operands(const KernelKey& key, const RowsShape& s) {
  const std::int64_t all = s.rows * s.columns;
  const bool is_of_rows =
      key.op == KernelOp::row_gate_forward || key.op == KernelOp::row_gate_backward;
  const std::int64_t gates = is_of_rows ? s.rows : all;
  const Operand x{"x", key.type, all, read};
  const Operand gate{"gate", key.type, gates, read};
  if (key.op == KernelOp::row_gate_forward || key.op == KernelOp::sigmoid_gate_forward) {
    return {x, gate, {"y", key.type, all, write}};
  }
  return {x,
          gate,
          {"dy", key.type, all, read},
          {"dx", key.type, all, write},
          {"d_gate", key.type, gates, write}};
}

std::vector<Operand> list_operands(const KernelKey& key, const GroupedRowsShape& s) {
  const std::int64_t all = s.rows * s.columns;
  const bool forward = key.op == KernelOp::gated_norm_forward;
  const Operand x{"x", key.type, all, read};
  const Operand z{"z", key.type, all, read};
  const Operand weight{"weight", key.type, s.columns, read};
  if (forward) {
    return {x, z, weight, {"y", key.type, all, write}, {"rstd", fp32, s.rows * s.groups, write}};
  }
  return {x,
          z,
          weight,
          {"rstd", fp32, s.rows * s.groups, read},
          {"dy", key.type, all, read},
          {"dx", key.type, all, write},
          {"dz", key.type, all, write},
          {"d_weight", fp32, s.columns, update}};
}

std::vector<Operand> list_operands(const KernelKey& key, const ColumnsShape& s) {
  const bool takes = key.op == KernelOp::take_columns;
  const Operand wide{"wide", key.type, s.rows * s.width, takes ? read : update};
  const Operand part{"part", key.type, s.rows * s.columns, takes ? write : read};
  return takes ? std::vector<Operand>{wide, part} : std::vector<Operand>{part, wide};
}

std::vector<Operand> list_operands(const KernelKey& key, const LatentHeadsShape& s) {
  const std::int64_t heads = s.tokens * s.heads;
  const Operand keys{"k", key.type, heads * (s.nope_size + s.rope_size), read};
  const Operand values{"v", key.type, heads * s.value_size, read};
  const Operand own{"kv", key.type, heads * (s.nope_size + s.value_size), read};
  const Operand shared{"k_rope", key.type, s.tokens * s.rope_size, read};
  const auto written = [](Operand operand) {
    operand.access = write;
    return operand;
  };
  switch (key.op) {
    case KernelOp::latent_keys_forward:
      return {own, shared, written(keys), written(values)};
    case KernelOp::latent_keys_backward:
      return {keys, values, written(own), written(shared)};
    default:
      return {{"q", key.type, keys.elements, update}};
  }
}

std::vector<Operand> list_operands(const KernelKey& key, const DeltaShape& s) {
  const std::int64_t tokens = s.batch * s.length;
  const std::int64_t values = tokens * s.heads * s.value_size;
  const std::int64_t keys = tokens * s.key_heads * s.key_size;
  std::vector<Operand> list = {{"q", key.type, keys, read},
                               {"k", key.type, keys, read},
                               {"v", key.type, values, read},
                               {"decay", key.type, tokens * s.heads, read},
                               {"beta", key.type, tokens * s.heads, read},
                               {"dt_bias", fp32, s.heads, read},
                               {"A_log", fp32, s.heads, read}};
  if (key.op == KernelOp::delta_rule_forward) {
    list.push_back({"y", key.type, values, write});
    return list;
  }
  list.insert(list.end(),
              {{"dy", key.type, values, read},
               {"dq", key.type, keys, write},
               {"dk", key.type, keys, write},
               {"dv", key.type, values, write},
               {"d_decay", key.type, tokens * s.heads, write},
               {"d_beta", key.type, tokens * s.heads, write},
               {"d_dt_bias", fp32, s.heads, update},
               {"dA_log", fp32, s.heads, update}});
  return list;
}

}  // namespace forerun
