#include "kernels/cuda/product_plan.hpp"

#include <variant>

namespace forerun::cuda {

namespace {

/// The matrices of all heads: where one starts is linear in sequence, key-value head and member of
/// its group of query heads.
struct HeadMatrices {
  std::size_t operand;
  std::int64_t first;
  std::int64_t row;
  std::int64_t sequence_step;
  std::int64_t head_step;
  std::int64_t member_step;
};

class Planner {
 public:
  explicit Planner(const AttentionKeyShape& shape)
      : s_(shape),
        group_(shape.heads / shape.kv_heads),
        width_((shape.heads + 2 * shape.kv_heads) * shape.head_size) {}

  [[nodiscard]] HeadMatrices queries(std::size_t operand) const {
    return {operand, 0, s_.batch * width_, width_, group_ * s_.head_size, s_.head_size};
  }

  [[nodiscard]] HeadMatrices keys(std::size_t operand) const {
    return {operand, s_.heads * s_.head_size, s_.batch * width_, width_, s_.head_size, 0};
  }

  [[nodiscard]] HeadMatrices values(std::size_t operand) const {
    const std::int64_t first = (s_.heads + s_.kv_heads) * s_.head_size;
    return {operand, first, s_.batch * width_, width_, value_size(s_), 0};
  }

  [[nodiscard]] HeadMatrices outputs(std::size_t operand) const {
    const std::int64_t size = value_size(s_);
    const std::int64_t width = s_.heads * size;
    return {operand, 0, s_.batch * width, width, group_ * size, size};
  }

  [[nodiscard]] HeadMatrices value_gradients(std::size_t operand) const {
    const std::int64_t width = s_.kv_heads * value_size(s_);
    return {operand, 0, s_.batch * width, width, value_size(s_), 0};
  }

  [[nodiscard]] HeadMatrices scores(std::size_t operand) const {
    const std::int64_t keys = key_length(s_);
    const std::int64_t square = s_.length * keys;
    return {operand, 0, keys, s_.heads * square, group_ * square, square};
  }

  /// C = op(A) op(B) for every head.
  void multiply(GemmLayout layout,
                const HeadMatrices& a,
                const HeadMatrices& b,
                const HeadMatrices& c,
                std::int64_t size) {
    const bool by_sequence = is_by_sequence();
    const std::int64_t others = by_sequence ? s_.kv_heads : s_.batch;
    for (std::int64_t other = 0; other < others; ++other) {
      for (std::int64_t member = 0; member < group_; ++member) {
        const auto place = [&](const HeadMatrices& at) {
          const std::int64_t step = by_sequence ? at.head_step : at.sequence_step;
          return Place{at.operand, at.first + other * step + member * at.member_step};
        };
        const auto matrix = [&](const HeadMatrices& at) {
          return BatchMatrix{at.row, by_sequence ? at.sequence_step : at.head_step};
        };
        ProductBatch batch{.shape = sizes(layout, size),
                           .a = place(a),
                           .b = place(b),
                           .c = place(c),
                           .adds = member > 0 && c.member_step == 0};
        batch.shape.a = matrix(a);
        batch.shape.b = matrix(b);
        batch.shape.c = matrix(c);
        batches.push_back(batch);
      }
    }
  }

  std::vector<ProductBatch> batches;

 private:
  /// nt: scores of queries and rows of `size`; nn: rows of `size` from scores; tn: the same from
  /// transposed scores.
  [[nodiscard]] BatchShape sizes(GemmLayout layout, std::int64_t size) const {
    switch (layout) {
      case GemmLayout::nt:
        return {.m = s_.length,
                .n = key_length(s_),
                .k = size,
                .layout = layout,
                .count = batch_count()};
      case GemmLayout::nn:
        return {.m = s_.length,
                .n = size,
                .k = key_length(s_),
                .layout = layout,
                .count = batch_count()};
      case GemmLayout::tn:
        break;
    }
    return {
        .m = key_length(s_), .n = size, .k = s_.length, .layout = layout, .count = batch_count()};
  }

  [[nodiscard]] bool is_by_sequence() const { return s_.batch > s_.kv_heads; }

  [[nodiscard]] std::int64_t batch_count() const {
    return is_by_sequence() ? s_.batch : s_.kv_heads;
  }

  const AttentionKeyShape& s_;
  std::int64_t group_;
  std::int64_t width_;
};

}  // namespace

std::vector<ProductBatch> head_products(const KernelKey& key) {
  const auto* shape = std::get_if<AttentionKeyShape>(&key.shape);
  if (shape == nullptr) {
    return {};
  }
  Planner plan(*shape);
  const std::int64_t values = value_size(*shape);
  switch (key.op) {
    case KernelOp::scores_forward:
      plan.multiply(
          GemmLayout::nt, plan.queries(0), plan.keys(0), plan.scores(1), shape->head_size);
      break;
    case KernelOp::context_forward:
      plan.multiply(GemmLayout::nn, plan.scores(0), plan.values(1), plan.outputs(2), values);
      break;
    case KernelOp::context_backward:
      plan.multiply(GemmLayout::nt, plan.outputs(2), plan.values(1), plan.scores(3), values);
      plan.multiply(
          GemmLayout::tn, plan.scores(0), plan.outputs(2), plan.value_gradients(4), values);
      break;
    case KernelOp::scores_backward:
      plan.multiply(
          GemmLayout::nn, plan.scores(0), plan.keys(1), plan.queries(3), shape->head_size);
      plan.multiply(
          GemmLayout::tn, plan.scores(0), plan.queries(1), plan.keys(3), shape->head_size);
      break;
    default:
      break;
  }
  return plan.batches;
}

}  // namespace forerun::cuda
