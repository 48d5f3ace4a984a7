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
    scores_.assign(static_cast<std::size_t>(shape.length),
                   std::vector<double>(static_cast<std::size_t>(key_length(shape)), -INFINITY));
    for (std::int64_t i = 0; i < shape.length; ++i) {
      for (std::int64_t j = 0; j < key_length(shape); ++j) {
        if (!reference_sees(shape, i, j)) {
          continue;
        }
        double score = 0.0;
        for (std::int64_t d = 0; d < shape.head_size; ++d) {
          score += at(0, query(i, d)) * at(key_operand(), key(j, d));
        }
        scores_[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] =
            changed(score * scale(), j - i - shape.offset);
      }
    }
  }

  void forward() {
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      const double lse = log_sum_exp(i);
      at(out_operand() + 1, lse_at(i)) = lse;
      for (std::int64_t d = 0; d < value_size(shape_); ++d) {
        double sum = 0.0;
        for (std::int64_t j = 0; j < key_length(shape_); ++j) {
          sum += probability(i, j, lse) * at(value_operand(), value(j, d));
        }
        at(out_operand(), output(i, d)) = sum;
      }
    }
  }

  // P from the stored lse; dP = dO V^T; dS = P (dP - rowsum(dO O)).
  void backward() {
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      double delta = 0.0;
      for (std::int64_t d = 0; d < value_size(shape_); ++d) {
        delta += at(out_operand() + 2, output(i, d)) * at(out_operand(), output(i, d));
      }
      for (std::int64_t j = 0; j < key_length(shape_); ++j) {
        add_pair(i, j, delta);
      }
    }
  }

 private:
  void add_pair(std::int64_t i, std::int64_t j, double delta) {
    const std::size_t d_out = out_operand() + 2;
    const std::size_t d_query = out_operand() + 3;
    const std::size_t d_key = d_query + key_operand();
    const std::size_t d_value = d_query + value_operand();
    const double p = probability(i, j, at(out_operand() + 1, lse_at(i)));
    double d_p = 0.0;
    for (std::int64_t d = 0; d < value_size(shape_); ++d) {
      d_p += at(d_out, output(i, d)) * at(value_operand(), value(j, d));
      at(d_value, value(j, d)) += p * at(d_out, output(i, d));
    }
    const double d_score = p * (d_p - delta) * slope_of_change(score(i, j)) * scale();
    for (std::int64_t d = 0; d < shape_.head_size; ++d) {
      at(d_query, query(i, d)) += d_score * at(key_operand(), key(j, d));
      at(d_key, key(j, d)) += d_score * at(0, query(i, d));
    }
  }

  [[nodiscard]] double changed(double score, std::int64_t distance) const {
    switch (shape_.scores) {
      case Scores::alibi: {
        const std::int64_t all = call_.scalars.all_heads;
        return score +
               alibi_slope(call_.scalars.first_head + head_, all == 0 ? shape_.heads : all) *
                   static_cast<double>(distance);
      }
      case Scores::capped:
        return call_.scalars.softcap * std::tanh(score / call_.scalars.softcap);
      default:
        return score;
    }
  }

  // By the score before the change, from the one after it.
  [[nodiscard]] double slope_of_change(double changed) const {
    const double t = changed / call_.scalars.softcap;
    return shape_.scores == Scores::capped && changed != -INFINITY ? 1.0 - t * t : 1.0;
  }

  // Zero where the query does not see the key, also where it sees none at all.
  [[nodiscard]] double probability(std::int64_t i, std::int64_t j, double lse) const {
    return score(i, j) == -INFINITY ? 0.0 : std::exp(score(i, j) - lse);
  }

  [[nodiscard]] double log_sum_exp(std::int64_t i) const {
    double largest = -INFINITY;
    for (std::int64_t j = 0; j < key_length(shape_); ++j) {
      largest = std::max(largest, score(i, j));
    }
    if (largest == -INFINITY) {
      return largest;
    }
    double sum = 0.0;
    for (std::int64_t j = 0; j < key_length(shape_); ++j) {
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

  [[nodiscard]] double& at(std::size_t operand, std::int64_t index) const {
    return call_.at(operand)[static_cast<std::size_t>(index)];
  }

  // Packed: everything in operand 0. Else q, k, v are 0, 1, 2.
  [[nodiscard]] std::size_t key_operand() const { return is_packed(shape_) ? 0 : 1; }

  [[nodiscard]] std::size_t value_operand() const { return is_packed(shape_) ? 0 : 2; }

  [[nodiscard]] std::size_t out_operand() const { return is_packed(shape_) ? 1 : 3; }

  [[nodiscard]] std::int64_t key_head() const { return head_ / (shape_.heads / shape_.kv_heads); }

  [[nodiscard]] std::int64_t in_row(std::int64_t position,
                                    std::int64_t width,
                                    std::int64_t column) const {
    return (position * shape_.batch + sequence_) * width + column;
  }

  [[nodiscard]] std::int64_t packed_width() const {
    return (shape_.heads + 2 * shape_.kv_heads) * shape_.head_size;
  }

  [[nodiscard]] std::int64_t query(std::int64_t i, std::int64_t d) const {
    const std::int64_t width = is_packed(shape_) ? packed_width() : shape_.heads * shape_.head_size;
    return in_row(i, width, head_ * shape_.head_size + d);
  }

  [[nodiscard]] std::int64_t key(std::int64_t j, std::int64_t d) const {
    const std::int64_t e = shape_.head_size;
    return is_packed(shape_) ? in_row(j, packed_width(), (shape_.heads + key_head()) * e + d)
                             : in_row(j, shape_.kv_heads * e, key_head() * e + d);
  }

  [[nodiscard]] std::int64_t value(std::int64_t j, std::int64_t d) const {
    const std::int64_t v = value_size(shape_);
    const std::int64_t before = shape_.heads + shape_.kv_heads;
    return is_packed(shape_) ? in_row(j, packed_width(), (before + key_head()) * v + d)
                             : in_row(j, shape_.kv_heads * v, key_head() * v + d);
  }

  [[nodiscard]] std::int64_t output(std::int64_t i, std::int64_t d) const {
    const std::int64_t v = value_size(shape_);
    return in_row(i, shape_.heads * v, head_ * v + d);
  }

  [[nodiscard]] std::int64_t lse_at(std::int64_t i) const {
    return (sequence_ * shape_.heads + head_) * shape_.length + i;
  }

  const ReferenceCall& call_;
  const AttentionKeyShape& shape_;
  std::int64_t sequence_;
  std::int64_t head_;
  std::vector<std::vector<double>> scores_;
};

}  // namespace

// A decoding step is attention of one query to all keys, each sequence and key head by itself.
void reference(const ReferenceCall& call, const DecodeShape& s) {
  const std::int64_t group = s.heads / s.kv_heads;
  const std::int64_t v = value_size(s);
  const bool is_latent = call.op == KernelOp::latent_decode_attention;
  for (std::int64_t cache = 0; cache < s.batch * s.kv_heads; ++cache) {
    const auto part = [&](std::size_t operand, std::int64_t first, std::int64_t count) {
      const auto begin = call.at(operand).begin() + first;
      return std::vector<double>(begin, begin + count);
    };
    const auto keys = part(1, cache * s.context * s.head_size, s.context * s.head_size);
    std::vector<double> values;
    if (is_latent) {
      for (std::int64_t j = 0; j < s.context; ++j) {
        const auto front = keys.begin() + j * s.head_size;
        values.insert(values.end(), front, front + v);
      }
    } else {
      values = part(2, cache * s.context * v, s.context * v);
    }
    ReferenceOperands operands = {
        part(0, cache * group * s.head_size, group * s.head_size), keys, values};
    const AttentionKeyShape one{.batch = 1,
                                .length = 1,
                                .heads = group,
                                .kv_heads = 1,
                                .head_size = s.head_size,
                                .mask = Mask::full,
                                .keys = s.context,
                                .offset = s.context,  // never packed
                                .value_size = v};
    run_reference({KernelOp::attention_forward, call.type, one}, call.scalars, operands);
    std::copy(operands[3].begin(),
              operands[3].end(),
              call.at(is_latent ? 2 : 3).begin() + cache * group * v);
  }
}

void reference(const ReferenceCall& call, const AttentionKeyShape& shape) {
  const bool backward = call.op == KernelOp::attention_backward;
  if (!backward && call.op != KernelOp::attention_forward) {
    reference_stored_attention(call, shape);
    return;
  }
  if (backward) {
    const std::size_t inputs = is_packed(shape) ? 1 : 3;
    for (std::size_t i = inputs + 3; i < call.operands.size(); ++i) {
      std::fill(call.at(i).begin(), call.at(i).end(), 0.0);
    }
  }
  for (std::int64_t sequence = 0; sequence < shape.batch; ++sequence) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      Head one(call, shape, sequence, head);
      backward ? one.backward() : one.forward();
    }
  }
}

}  // namespace forerun
