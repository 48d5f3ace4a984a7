// Reference: attention with the whole score matrix written out.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tests/kernels/reference_detail.hpp"

namespace forerun {
namespace {

// One query head of one sequence: softmax(Q K^T / sqrt(e)) V, and its derivatives.
class Head {
 public:
  Head(const ReferenceCall& call,
       const AttentionKeyShape& shape,
       std::int64_t sequence,
       std::int64_t head)
      : call_(call), shape_(shape), sequence_(sequence), head_(head) {
    const auto length = static_cast<std::size_t>(shape.length);
    scores_.assign(length, std::vector<double>(length, -INFINITY));
    for (std::int64_t i = 0; i < shape.length; ++i) {
      for (std::int64_t j = 0; j < (shape.mask == Mask::causal ? i + 1 : shape.length); ++j) {
        double score = 0.0;
        for (std::int64_t d = 0; d < shape.head_size; ++d) {
          score += packed(0, query(i, d)) * packed(0, key(j, d));
        }
        scores_[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = score * scale();
      }
    }
  }

  void forward() {
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      const double lse = log_sum_exp(i);
      call_.at(2)[lse_at(i)] = lse;
      for (std::int64_t d = 0; d < shape_.head_size; ++d) {
        double sum = 0.0;
        for (std::int64_t j = 0; j < shape_.length; ++j) {
          sum += std::exp(score(i, j) - lse) * packed(0, value(j, d));
        }
        call_.at(1)[output(i, d)] = sum;
      }
    }
  }

  // P from the stored lse; dP = dO V^T; dS = P (dP - rowsum(dO O)).
  void backward() {
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      double delta = 0.0;
      for (std::int64_t d = 0; d < shape_.head_size; ++d) {
        delta += call_.at(3)[output(i, d)] * call_.at(1)[output(i, d)];
      }
      for (std::int64_t j = 0; j < shape_.length; ++j) {
        add_pair(i, j, delta);
      }
    }
  }

 private:
  void add_pair(std::int64_t i, std::int64_t j, double delta) {
    const double p = std::exp(score(i, j) - call_.at(2)[lse_at(i)]);
    double d_p = 0.0;
    for (std::int64_t d = 0; d < shape_.head_size; ++d) {
      d_p += call_.at(3)[output(i, d)] * packed(0, value(j, d));
    }
    const double d_score = p * (d_p - delta) * scale();
    for (std::int64_t d = 0; d < shape_.head_size; ++d) {
      packed(4, query(i, d)) += d_score * packed(0, key(j, d));
      packed(4, key(j, d)) += d_score * packed(0, query(i, d));
      packed(4, value(j, d)) += p * call_.at(3)[output(i, d)];
    }
  }

  [[nodiscard]] double log_sum_exp(std::int64_t i) const {
    double largest = -INFINITY;
    for (std::int64_t j = 0; j < shape_.length; ++j) {
      largest = std::max(largest, score(i, j));
    }
    double sum = 0.0;
    for (std::int64_t j = 0; j < shape_.length; ++j) {
      sum += std::exp(score(i, j) - largest);
    }
    return largest + std::log(sum);
  }

  [[nodiscard]] double scale() const {
    return 1.0 / std::sqrt(static_cast<double>(shape_.head_size));
  }

  [[nodiscard]] double score(std::int64_t i, std::int64_t j) const {
    return scores_[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
  }

  [[nodiscard]] double& packed(std::size_t operand, std::int64_t index) const {
    return call_.at(operand)[static_cast<std::size_t>(index)];
  }

  [[nodiscard]] std::int64_t packed_at(std::int64_t position, std::int64_t column) const {
    const std::int64_t width = (shape_.heads + 2 * shape_.kv_heads) * shape_.head_size;
    return (position * shape_.batch + sequence_) * width + column;
  }

  [[nodiscard]] std::int64_t key_head() const { return head_ / (shape_.heads / shape_.kv_heads); }

  [[nodiscard]] std::int64_t query(std::int64_t i, std::int64_t d) const {
    return packed_at(i, head_ * shape_.head_size + d);
  }

  [[nodiscard]] std::int64_t key(std::int64_t j, std::int64_t d) const {
    return packed_at(j, (shape_.heads + key_head()) * shape_.head_size + d);
  }

  [[nodiscard]] std::int64_t value(std::int64_t j, std::int64_t d) const {
    return packed_at(j, (shape_.heads + shape_.kv_heads + key_head()) * shape_.head_size + d);
  }

  [[nodiscard]] std::size_t output(std::int64_t i, std::int64_t d) const {
    const std::int64_t row = i * shape_.batch + sequence_;
    return static_cast<std::size_t>((row * shape_.heads + head_) * shape_.head_size + d);
  }

  [[nodiscard]] std::size_t lse_at(std::int64_t i) const {
    return static_cast<std::size_t>((sequence_ * shape_.heads + head_) * shape_.length + i);
  }

  const ReferenceCall& call_;
  const AttentionKeyShape& shape_;
  std::int64_t sequence_;
  std::int64_t head_;
  std::vector<std::vector<double>> scores_;
};

}  // namespace

void reference(const ReferenceCall& call, const AttentionKeyShape& shape) {
  const bool backward = call.op == KernelOp::attention_backward;
  if (backward) {
    std::fill(call.at(4).begin(), call.at(4).end(), 0.0);
  }
  for (std::int64_t sequence = 0; sequence < shape.batch; ++sequence) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      Head one(call, shape, sequence, head);
      backward ? one.backward() : one.forward();
    }
  }
}

}  // namespace forerun
