// FLOP and bytes of kernels: closed forms for the matrix work, a count per element for the rest.
#include "kernels/kernel_cost.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "kernels/operands.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct OpFlop {
  KernelOp op;
  double per_element;
};

// Operations per element as kernels/host writes them; add, multiply, divide, exp, tanh and sqrt
// count 1 each. What an "element" is, the shape's `flop_of` says. Operations that only move data
// and those with a formula of their own are not listed.
constexpr auto flop_rows = std::to_array<OpFlop>({
    {KernelOp::rms_norm_forward, 4.0},  // square, add; scale, weight
    {KernelOp::qk_norm_forward, 4.0},
    {KernelOp::rms_norm_backward, 9.0},  // dy w; x rstd; dot 2; project 2, rstd; d_weight 2
    {KernelOp::qk_norm_backward, 9.0},
    {KernelOp::layer_norm_forward, 8.0},  // mean; variance 3; normalise 2; weight, bias
    // normalise 2; dy w; sums 3; project 4; d_weight 2; d_bias
    {KernelOp::layer_norm_backward, 13.0},
    {KernelOp::rope_forward, 3.0},  // 6 per pair
    {KernelOp::rope_backward, 3.0},
    {KernelOp::swiglu_forward, 5.0},    // sigmoid 3; gate; up
    {KernelOp::swiglu_backward, 10.0},  // sigmoid 3; silu; d_up; d_gate 5
    {KernelOp::gelu_forward, 9.0},      // argument 5; tanh; 1 + t; x / 2 times it
    {KernelOp::gelu_backward, 18.0},    // argument 5; tanh; derivative 11; dy
    {KernelOp::geglu_forward, 10.0},    // GELU; times up
    {KernelOp::geglu_backward, 21.0},  // argument 5; tanh; GELU 2; derivative 9; d_up; d_gate 2; dy
    {KernelOp::relu_forward, 1.0},
    {KernelOp::relu_backward, 1.0},
    {KernelOp::relu_squared_forward, 2.0},   // compare, square
    {KernelOp::relu_squared_backward, 3.0},  // compare; 2 u; dy
    {KernelOp::row_gate_forward, 1.0},       // the sigmoid is one a row
    {KernelOp::row_gate_backward, 3.0},      // dx; dot 2
    {KernelOp::sigmoid_gate_forward, 4.0},   // sigmoid 3; gate
    {KernelOp::sigmoid_gate_backward, 8.0},  // sigmoid 3; dx; d_gate 4
    {KernelOp::gated_norm_forward, 9.0},     // silu 4, gate; the norm 4
    {KernelOp::gated_norm_backward, 19.0},   // gated again 5; the norm 9; dx; dz 4
    {KernelOp::latent_query_forward, 3.0},   // of turned elements, 6 a pair
    {KernelOp::latent_query_backward, 3.0},
    {KernelOp::softcap_forward, 3.0},   // divide, tanh, multiply
    {KernelOp::softcap_backward, 5.0},  // divide, tanh; 1 - t^2; dy
    {KernelOp::scale, 1.0},
    {KernelOp::layer_norm_nobias_forward, 7.0},
    {KernelOp::layer_norm_nobias_backward, 12.0},
    {KernelOp::add, 1.0},
    {KernelOp::bias_forward, 1.0},
    {KernelOp::bias_backward, 1.0},
    {KernelOp::embedding_backward, 1.0},
    {KernelOp::position_forward, 1.0},
    {KernelOp::position_backward, 1.0},
    {KernelOp::cross_entropy_max, 1.0},
    {KernelOp::cross_entropy_sum, 3.0},       // subtract, exp, add
    {KernelOp::cross_entropy_gradient, 4.0},  // subtract, exp, divide, scale
    {KernelOp::add_rms_norm_forward, 5.0},    // the norm and one addition
    {KernelOp::add_rms_norm_backward, 10.0},
    {KernelOp::add_layer_norm_forward, 9.0},
    {KernelOp::add_layer_norm_backward, 14.0},
    {KernelOp::cast, 2.0},                      // scale, compare
    {KernelOp::permute_backward, 1.0},          // of each copy: add
    {KernelOp::unpermute_forward, 2.0},         // of each copy: weigh, add
    {KernelOp::unpermute_backward, 3.0},        // of each copy: weigh; dot 2
    {KernelOp::dropout_forward, 3.0},           // draw, compare, scale
    {KernelOp::dropout_backward, 1.0},          // scale
    {KernelOp::bias_dropout_add_forward, 5.0},  // bias, dropout 3, residual
    {KernelOp::bias_gelu_forward, 10.0},        // bias and GELU
    {KernelOp::bias_gelu_backward, 19.0},
    {KernelOp::accumulate, 1.0},
    {KernelOp::square_sum, 2.0},
    {KernelOp::dequantize, 1.0},
    {KernelOp::adamw, 14.0},  // m 3; v 4; sqrt, correct, epsilon; divide, step; decay; subtract
});

double flop_per_element(KernelOp op) {
  const auto* const found = std::ranges::find(flop_rows, op, &OpFlop::op);
  return found == flop_rows.end() ? 0.0 : found->per_element;
}

// GEMM: 2 m n k, one multiply and one add for each term.
double flop_of(const KernelKey& /*key*/, const GemmShape& s) {
  return 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
}

// The three products alike: 2 n k for each row.
double flop_of(const KernelKey& /*key*/, const GroupedGemmShape& s) {
  return 2.0 * static_cast<double>(s.rows) * static_cast<double>(s.n) * static_cast<double>(s.k);
}

// The integral of clamp(t, 0, limit) from 0 to `end`.
double ramp_area(double end, double limit) {
  const double inside = std::clamp(end, 0.0, limit);
  return 0.5 * inside * inside + limit * std::max(0.0, end - limit);
}

// Pairs of query and key that see each other, in FlashAttention's convention: the diagonal is a
// line, so that causal attention over s positions has s^2 / 2 of them and a window w on it
// s w - w^2 / 2 (modelling.md 1.1).
double visible_pairs(const AttentionKeyShape& s) {
  const auto queries = static_cast<double>(s.length);
  const auto keys = static_cast<double>(key_length(s));
  const auto first = static_cast<double>(s.offset);
  const auto window = static_cast<double>(s.window);
  const double seen = s.mask == Mask::causal
                          ? ramp_area(first + queries, keys) - ramp_area(first, keys)
                          : queries * keys;
  const double before_window =
      ramp_area(first + queries - window, keys) - ramp_area(first - window, keys);
  return s.window == 0 ? seen : seen - before_window;
}

// Kernels that store the scores work on the whole square, masked or not: one product forward, two
// backward; softmax as for cross-entropy, backward dot 2, subtract, multiply.
std::optional<double> unfused_flop(KernelOp op, const AttentionKeyShape& s) {
  const double scores = static_cast<double>(s.batch * s.heads) * static_cast<double>(s.length) *
                        static_cast<double>(key_length(s));
  switch (op) {
    case KernelOp::scores_forward:
      return 2.0 * scores * static_cast<double>(s.head_size);
    case KernelOp::scores_backward:
      return 4.0 * scores * static_cast<double>(s.head_size);
    case KernelOp::context_forward:
      return 2.0 * scores * static_cast<double>(value_size(s));
    case KernelOp::context_backward:
      return 4.0 * scores * static_cast<double>(value_size(s));
    case KernelOp::softmax_forward:
    case KernelOp::softmax_backward:
      return 4.0 * scores;
    default:
      return std::nullopt;
  }
}

// FlashAttention's benchmark convention: forward two products, Q K^T over the head size and P V
// over the value size; backward five: Q K^T again, dP = dO V^T, dV, dQ, dK. With one size that is 4
// and 10 times pairs, heads and size (modelling.md 1.2).
double flop_of(const KernelKey& key, const AttentionKeyShape& s) {
  if (const auto flop = unfused_flop(key.op, s)) {
    return *flop;
  }
  const auto head = static_cast<double>(s.head_size);
  const auto value = static_cast<double>(value_size(s));
  const double per_pair = key.op == KernelOp::attention_backward ? 2.0 * (3.0 * head + 2.0 * value)
                                                                 : 2.0 * (head + value);
  return per_pair * static_cast<double>(s.batch * s.heads) * visible_pairs(s);
}

double flop_of(const KernelKey& /*key*/, const DecodeShape& s) {
  return 2.0 * static_cast<double>(s.head_size + value_size(s)) *
         static_cast<double>(s.batch * s.heads) * static_cast<double>(s.context);
}

// Each choice compares all experts once; the softmax over the chosen ones takes 4 each. Sorting
// counts and places.
double flop_of(const KernelKey& key, const RouterShape& s) {
  const auto choices = static_cast<double>(s.tokens * s.top_k);
  switch (key.op) {
    case KernelOp::router_forward:
      return choices * (static_cast<double>(s.experts) + 4.0);
    case KernelOp::router_backward:  // dot 2; subtract, multiply
      return 4.0 * choices;
    default:  // expert_sort
      return 2.0 * choices;
  }
}

double flop_of(const KernelKey& key, const PermuteShape& s) {
  return flop_per_element(key.op) * static_cast<double>(s.tokens * s.top_k * s.columns);
}

// 2 a tap; bias and SiLU 5. Backward: the pre-activation again, its derivative 8, the two
// transposed products.
double flop_of(const KernelKey& key, const ConvShape& s) {
  const auto elements = static_cast<double>(s.batch * s.length * s.channels);
  const auto taps = static_cast<double>(s.width);
  return elements * (key.op == KernelOp::conv1d_forward ? 2.0 * taps + 5.0 : 6.0 * taps + 8.0);
}

// modelling.md 1.2, Mamba-2: in a chunk of Q, C B^T and its product with x, both lower triangles;
// chunk states and their outputs. Backward: each product has two adjoints, and the forward ones
// but for the output are formed again.
double flop_of(const KernelKey& key, const SsdShape& s) {
  const auto tokens = static_cast<double>(s.batch * s.length);
  const auto inner = static_cast<double>(s.heads * s.head_size);
  const auto chunk = static_cast<double>(std::min(s.chunk, s.length));
  const auto state = static_cast<double>(s.state);
  const double forward =
      tokens * (chunk * (state * static_cast<double>(s.groups) + inner) + 4.0 * state * inner);
  return key.op == KernelOp::ssd_forward ? forward : 3.0 * forward;
}

// Per channel and state: decay 2, input 2, state 2, output 2; per channel softplus, skip and gate.
// Backward runs the states again and then their adjoints, 2.5 times in all (modelling.md 1.2).
double flop_of(const KernelKey& key, const ScanShape& s) {
  const auto values = static_cast<double>(s.batch * s.length * s.channels);
  const double forward = values * (8.0 * static_cast<double>(s.state) + 10.0);
  return key.op == KernelOp::selective_scan_forward ? forward : 2.5 * forward;
}

// The chunked form of the delta rule (Yang et al. 2024, arXiv 2406.06484, section 3; with decay
// arXiv 2412.06464, section 3.3), by value head and token in chunks of C: lower triangles of K K^T
// and Q K^T, C K each; the inverse of a triangular C x C matrix, C^2 / 3; its products with keys
// and values, C (K + V); the output within the chunk, C V; with the state K x V: what it knows of
// the keys, its output, its update, 2 K V each. Backward as for the dual form above.
double flop_of(const KernelKey& key, const DeltaShape& s) {
  const auto heads = static_cast<double>(s.batch * s.length * s.heads);
  const auto chunk = static_cast<double>(std::min(s.chunk, s.length));
  const auto keys = static_cast<double>(s.key_size);
  const auto values = static_cast<double>(s.value_size);
  const double forward =
      heads * (chunk * (3.0 * keys + 2.0 * values) + chunk * chunk / 3.0 + 6.0 * keys * values);
  return key.op == KernelOp::delta_rule_forward ? forward : 3.0 * forward;
}

double flop_of(const KernelKey& key, const GroupedRowsShape& s) {
  return flop_per_element(key.op) * static_cast<double>(s.rows * s.columns);
}

double flop_of(const KernelKey& /*key*/, const ColumnsShape& /*s*/) {
  return 0.0;
}

// Queries turn in every head; the shared key turns once, backward its heads are summed first.
double flop_of(const KernelKey& key, const LatentHeadsShape& s) {
  const auto turned = static_cast<double>(s.tokens * s.rope_size);
  switch (key.op) {
    case KernelOp::latent_keys_forward:
      return 3.0 * turned;
    case KernelOp::latent_keys_backward:
      return turned * (static_cast<double>(s.heads) + 3.0);
    default:
      return flop_per_element(key.op) * turned * static_cast<double>(s.heads);
  }
}

double flop_of(const KernelKey& key, const RowsShape& s) {
  return flop_per_element(key.op) * static_cast<double>(s.rows * s.columns);
}

// Only the query and key heads are worked on; rope has elements that it turns.
double flop_of(const KernelKey& key, const HeadsShape& s) {
  return flop_per_element(key.op) *
         static_cast<double>(s.tokens * (s.heads + s.kv_heads) * rotary_size(s));
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

// Of queries, keys and values packed side by side, those heads that the operation works on: rope
// the turned elements of queries and keys in place, a norm's backward pass queries and keys, a part
// of unfused attention those that it multiplies. A norm's forward pass copies the values over.
std::int64_t touched_of_packed(const KernelKey& key, const Operand& operand) {
  if (const auto* heads = std::get_if<HeadsShape>(&key.shape)) {
    const std::int64_t turned = heads->tokens * (heads->heads + heads->kv_heads);
    switch (key.op) {
      case KernelOp::rope_forward:
      case KernelOp::rope_backward:
        return turned * rotary_size(*heads);
      case KernelOp::qk_norm_backward:
        return turned * heads->head_size;
      default:
        return operand.elements;
    }
  }
  if (const auto* attention = std::get_if<AttentionKeyShape>(&key.shape)) {
    const std::int64_t tokens = attention->batch * attention->length;
    switch (key.op) {
      case KernelOp::scores_forward:
        return tokens * (attention->heads + attention->kv_heads) * attention->head_size;
      case KernelOp::context_forward:
      case KernelOp::context_backward:
        return tokens * attention->kv_heads * value_size(*attention);
      case KernelOp::scores_backward:  // reads queries and keys; writes all, values' part copied
        return operand.name == "d_qkv"
                   ? operand.elements
                   : tokens * (attention->heads + attention->kv_heads) * attention->head_size;
      default:
        return operand.elements;
    }
  }
  return operand.elements;
}

// Where only some columns of wide rows are touched.
std::optional<std::int64_t> touched_columns(const KernelKey& key, const Operand& operand) {
  if (const auto* columns = std::get_if<ColumnsShape>(&key.shape);
      columns != nullptr && operand.name == "wide") {
    return columns->rows * columns->columns;
  }
  if (const auto* heads = std::get_if<LatentHeadsShape>(&key.shape);
      heads != nullptr && operand.name == "q") {
    return heads->tokens * heads->heads * heads->rope_size;
  }
  return std::nullopt;
}

// A look-up touches the rows that its tokens name, at most one for each, never the whole table.
std::int64_t touched_elements(const KernelKey& key, const Operand& operand) {
  if (operand.name == "qkv" || operand.name == "d_qkv") {
    return touched_of_packed(key, operand);
  }
  if (const auto columns = touched_columns(key, operand)) {
    return *columns;
  }
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
    // What lies beside the columns that are put stays, and is not read.
    const bool reads_too = operand.access == Access::read_write && key.op != KernelOp::put_columns;
    const double passes = reads_too ? 2.0 : 1.0;
    traffic += passes * static_cast<double>(touched_elements(key, operand)) * size_of(operand.type);
  }
  return traffic;
}

Bytes workspace(const KernelKey& key) {
  const auto* const s = std::get_if<SsdShape>(&key.shape);
  if (s == nullptr) {
    return {};
  }
  const auto tokens = static_cast<double>(s->batch * s->length);
  const auto chunk = static_cast<double>(std::min(s->chunk, s->length));
  const double states = tokens / chunk * static_cast<double>(s->heads * s->head_size * s->state);
  const double products = tokens * chunk * static_cast<double>(s->groups);
  const double passes = key.op == KernelOp::ssd_forward ? 1.0 : 2.0;
  return passes * (states + products) * size_of(DataType::fp32);
}

bool is_matrix_work(KernelOp op) {
  switch (op) {
    case KernelOp::gemm:
    case KernelOp::grouped_gemm:
    case KernelOp::attention_forward:
    case KernelOp::attention_backward:
    case KernelOp::ssd_forward:
    case KernelOp::ssd_backward:
    case KernelOp::delta_rule_forward:
    case KernelOp::delta_rule_backward:
    case KernelOp::scores_forward:
    case KernelOp::scores_backward:
    case KernelOp::context_forward:
    case KernelOp::context_backward:
      return true;
    default:
      return false;
  }
}

}  // namespace forerun
