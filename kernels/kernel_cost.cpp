// FLOP and bytes of kernels: closed forms for the matrix work, a count per element for the rest.
#include "kernels/kernel_cost.hpp"

#include <algorithm>

#include "kernels/operands.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Operations per element as kernels/host writes them; add, multiply, divide, exp, tanh and sqrt
// count 1 each. What an "element" is, the shape's `flop_of` says.
double flop_per_element(KernelOp op) {
  switch (op) {
    case KernelOp::rms_norm_forward:  // square, add; scale, weight
    case KernelOp::qk_norm_forward:
      return 4.0;
    case KernelOp::rms_norm_backward:  // dy w; x rstd; dot 2; project 2, rstd; d_weight 2
    case KernelOp::qk_norm_backward:
      return 9.0;
    case KernelOp::layer_norm_forward:  // mean; variance 3; normalise 2; weight, bias
      return 8.0;
    case KernelOp::layer_norm_backward:  // normalise 2; dy w; sums 3; project 4; d_weight 2; d_bias
      return 13.0;
    case KernelOp::rope_forward:  // 6 per pair
    case KernelOp::rope_backward:
      return 3.0;
    case KernelOp::swiglu_forward:  // sigmoid 3; gate; up
      return 5.0;
    case KernelOp::swiglu_backward:  // sigmoid 3; silu; d_up; d_gate 5
      return 10.0;
    case KernelOp::gelu_forward:  // argument 5; tanh; 1 + t; x / 2 times it
      return 9.0;
    case KernelOp::gelu_backward:  // argument 5; tanh; derivative 11; dy
      return 18.0;
    case KernelOp::add:
    case KernelOp::bias_forward:
    case KernelOp::bias_backward:
    case KernelOp::embedding_backward:
    case KernelOp::position_forward:
    case KernelOp::position_backward:
    case KernelOp::cross_entropy_max:
      return 1.0;
    case KernelOp::cross_entropy_sum:  // subtract, exp, add
      return 3.0;
    case KernelOp::cross_entropy_gradient:  // subtract, exp, divide, scale
      return 4.0;
    case KernelOp::adamw:  // m 3; v 4; sqrt, correct, epsilon; divide, step; decay; subtract
      return 14.0;
    case KernelOp::embedding_forward:
    case KernelOp::zero:
    case KernelOp::copy:
    case KernelOp::gemm:
    case KernelOp::attention_forward:
    case KernelOp::attention_backward:
      return 0.0;
  }
  return 0.0;
}

// GEMM: 2 m n k, one multiply and one add for each term.
double flop_of(const KernelKey& /*key*/, const GemmShape& s) {
  return 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
}

// FlashAttention's benchmark convention: forward 4 b s^2 a e (two products of 2 s^2 e for each of
// b sequences and a heads), halved when causal; backward runs five products: 2.5 times.
double flop_of(const KernelKey& key, const AttentionKeyShape& s) {
  const auto length = static_cast<double>(s.length);
  const double forward =
      4.0 * static_cast<double>(s.batch * s.heads * s.head_size) * length * length;
  const double masked = s.mask == Mask::causal ? 0.5 * forward : forward;
  return key.op == KernelOp::attention_backward ? 2.5 * masked : masked;
}

double flop_of(const KernelKey& key, const RowsShape& s) {
  return flop_per_element(key.op) * static_cast<double>(s.rows * s.columns);
}

// Only the query and key heads are worked on.
double flop_of(const KernelKey& key, const HeadsShape& s) {
  return flop_per_element(key.op) *
         static_cast<double>(s.tokens * (s.heads + s.kv_heads) * s.head_size);
}

double flop_of(const KernelKey& key, const TableShape& s) {
  return flop_per_element(key.op) * static_cast<double>(s.tokens * s.columns);
}

double flop_of(const KernelKey& key, const FlatShape& s) {
  return flop_per_element(key.op) * static_cast<double>(s.elements);
}

}  // namespace

Flops hardware_flops(const KernelKey& key) {
  return std::visit([&key](const auto& shape) { return flop_of(key, shape); }, key.shape) *
         unit::flop;
}

namespace {

// A look-up touches the rows that its tokens name, at most one for each, never the whole table.
std::int64_t touched_elements(const KernelKey& key, const Operand& operand) {
  const auto* table = std::get_if<TableShape>(&key.shape);
  const bool is_table = operand.name == "table" || operand.name == "d_table";
  if (table == nullptr || !is_table) {
    return operand.elements;
  }
  const bool is_position =
      key.op == KernelOp::position_forward || key.op == KernelOp::position_backward;
  const std::int64_t rows = is_position ? table->tokens / table->batch : table->tokens;
  return std::min(operand.elements, rows * table->columns);
}

}  // namespace

Bytes minimum_traffic(const KernelKey& key) {
  Bytes traffic;
  for (const Operand& operand : operands_of(key)) {
    const double passes = operand.access == Access::read_write ? 2.0 : 1.0;
    traffic += passes * static_cast<double>(touched_elements(key, operand)) * size_of(operand.type);
  }
  return traffic;
}

}  // namespace forerun
