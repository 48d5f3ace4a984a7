// Attention forward: FlashAttention-2, algorithm 1.
#include <algorithm>
#include <cmath>
#include <limits>

#include <omp.h>

#include "kernels/host/attention.hpp"
#include "kernels/host/attention_scores.hpp"
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/reductions.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// x = exp(scale x - shift); returns the sum.
FORERUN_MULTIVERSION float exponentiate(float* x, float scale, float shift, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    const float e = fast_exp_or_zero(scale * x[i] - shift);
    x[i] = e;
    total += e;
  }
  return total;
}

// One query head of one sequence.
class ForwardHead {
 public:
  ForwardHead(const KernelCall& call, std::int64_t batch_and_head, AttentionWorker& worker)
      : call_(call),
        shape_(call.shape<AttentionKeyShape>()),
        cut_(shape_),
        place_(shape_, batch_and_head),
        change_(call, batch_and_head),
        worker_(worker) {
    const std::int64_t e = place_.query.size;
    const std::int64_t v = place_.value.size;
    const DataType type = worker.type;
    const std::int64_t square = cut_.block * cut_.block;
    const std::int64_t q_floats = BlockMatrix::floats(cut_.padded_queries * e, type);
    const std::int64_t k_floats = BlockMatrix::floats(cut_.padded_keys * e, type);
    const std::int64_t v_floats = BlockMatrix::floats(cut_.padded_keys * v, type);
    const std::int64_t p_floats = BlockMatrix::floats(square, type);
    float* const memory = worker.memory.at_least(q_floats + k_floats + v_floats + p_floats +
                                                 square + cut_.block * (v + 2));
    q_ = {memory, type};
    k_ = {memory + q_floats, type};
    v_ = {memory + q_floats + k_floats, type};
    scores_ = memory + q_floats + k_floats + v_floats;
    p_ = {type == DataType::bf16 ? scores_ + square : scores_, type};
    out_ = scores_ + square + p_floats;
    row_max_ = out_ + cut_.block * v;
    row_sum_ = row_max_ + cut_.block;
  }

  void run() {
    gather(call_, place_.query, cut_.padded_queries, q_);
    gather(call_, place_.key, cut_.padded_keys, k_);
    gather(call_, place_.value, cut_.padded_keys, v_);
    for (std::int64_t first = 0; first < shape_.length; first += cut_.block) {
      run_queries(first);
    }
  }

 private:
  void run_queries(std::int64_t query_first) {
    const std::int64_t square = cut_.block * cut_.block;
    std::fill_n(out_, cut_.block * place_.value.size, 0.0F);
    std::fill_n(row_max_, cut_.block, -std::numeric_limits<float>::infinity());
    std::fill_n(row_sum_, cut_.block, 0.0F);
    const auto [first, last] = keys_of_block(shape_, query_first, cut_.block);
    for (std::int64_t key_first = first / cut_.block * cut_.block; key_first < last;
         key_first += cut_.block) {
      std::fill_n(scores_, square, 0.0F);
      worker_.keyed.scores.run(
          q_.at(query_first * place_.query.size), k_.at(key_first * place_.key.size), scores_);
      soften(query_first, key_first);
      p_.assign(scores_, square);
      worker_.valued.weighted.run(p_.data, v_.at(key_first * place_.value.size), out_);
    }
    finish(query_first);
  }

  [[nodiscard]] std::int64_t queries_from(std::int64_t query_first) const {
    return std::min(cut_.block, shape_.length - query_first);
  }

  // Scores become probabilities relative to the running maximum; what was summed is rescaled.
  void soften(std::int64_t query_first, std::int64_t key_first) {
    for (std::int64_t row = 0; row < queries_from(query_first); ++row) {
      float* scores = scores_ + row * cut_.block;
      const auto [first, last] = visible_columns(shape_, query_first + row, key_first, cut_.block);
      if (first < last) {
        const std::int64_t query = query_first + row + shape_.offset;
        change_.apply(scores + first, key_first + first - query, last - first);
        soften_row(row, scores + first, last - first);
      }
      std::fill(scores, scores + first, 0.0F);
      std::fill(scores + last, scores + cut_.block, 0.0F);
    }
  }

  void soften_row(std::int64_t row, float* scores, std::int64_t count) {
    const std::int64_t v = place_.value.size;
    const float largest = std::max(row_max_[row], scale_ * maximum(scores, count));
    if (largest > row_max_[row]) {
      const float correction = fast_exp_or_zero(row_max_[row] - largest);
      row_sum_[row] *= correction;
      scale_run(out_ + row * v, correction, v);
      row_max_[row] = largest;
    }
    row_sum_[row] += exponentiate(scores, scale_, largest, count);
  }

  // A query that saw no key: output 0, log-sum-exp -infinity.
  void finish(std::int64_t query_first) {
    const std::int64_t v = place_.value.size;
    const TypedArray output = call_.array(place_.output.operand);
    float* lse = call_.floats(place_.lse_operand) + place_.lse_first + query_first;
    for (std::int64_t row = 0; row < queries_from(query_first); ++row) {
      const bool is_blind = row_sum_[row] == 0.0F;
      scale_run(out_ + row * v, is_blind ? 0.0F : 1.0F / row_sum_[row], v);
      output.commit(place_.output.at(query_first + row), v, out_ + row * v);
      lse[row] = is_blind ? -std::numeric_limits<float>::infinity()
                          : row_max_[row] + std::log(row_sum_[row]);
    }
  }

  const KernelCall& call_;
  const AttentionKeyShape& shape_;
  AttentionBlocks cut_;
  HeadPlace place_;
  ScoreChange change_;
  AttentionWorker& worker_;
  float scale_ = score_scale(shape_);
  BlockMatrix q_;  // [padded queries x head_size]
  BlockMatrix k_;
  BlockMatrix v_;
  float* scores_ = nullptr;   // [block x block], then probabilities
  BlockMatrix p_;             // the probabilities in the format of the products
  float* out_ = nullptr;      // [block x value_size], not yet divided by the row sums
  float* row_max_ = nullptr;  // [block]
  float* row_sum_ = nullptr;
};

}  // namespace

void Attention::run_forward(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  std::vector<AttentionWorker>& workers = workers_for(call);
  const std::int64_t heads = shape.batch * shape.heads;
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t head = 0; head < heads; ++head) {
    ForwardHead(call, head, workers[static_cast<std::size_t>(omp_get_thread_num())]).run();
  }
}

}  // namespace forerun::host
