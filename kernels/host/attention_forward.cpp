// Attention forward: FlashAttention-2, algorithm 1.
#include <algorithm>
#include <cmath>
#include <limits>

#include <omp.h>

#include "kernels/host/attention.hpp"
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/reductions.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// x = exp(x - shift); returns the sum.
FORERUN_MULTIVERSION float exponentiate(float* x, float shift, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    const float e = fast_exp_or_zero(x[i] - shift);
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
        worker_(worker) {
    const std::int64_t matrix = cut_.padded * shape_.head_size;
    q_ = worker.memory.at_least(3 * matrix + cut_.block * (cut_.block + shape_.head_size + 2));
    k_ = q_ + matrix;
    v_ = k_ + matrix;
    scores_ = v_ + matrix;
    out_ = scores_ + cut_.block * cut_.block;
    row_max_ = out_ + cut_.block * shape_.head_size;
    row_sum_ = row_max_ + cut_.block;
  }

  void run() {
    const TypedArray qkv = call_.array(0);
    gather(qkv, rows_at(place_.query_column), score_scale(shape_), q_);
    gather(qkv, rows_at(place_.key_column), 1.0F, k_);
    gather(qkv, rows_at(place_.value_column), 1.0F, v_);
    for (std::int64_t i = 0; i < cut_.blocks; ++i) {
      run_queries(i * cut_.block);
    }
  }

 private:
  [[nodiscard]] HeadRows rows_at(std::int64_t column) const {
    return {.first = place_.packed(place_.sequence, column),
            .stride = shape_.batch * place_.packed_width,
            .length = shape_.length,
            .padded = cut_.padded,
            .head_size = shape_.head_size};
  }

  void run_queries(std::int64_t query_first) {
    const std::int64_t e = shape_.head_size;
    std::fill_n(out_, cut_.block * e, 0.0F);
    std::fill_n(row_max_, cut_.block, -std::numeric_limits<float>::infinity());
    std::fill_n(row_sum_, cut_.block, 0.0F);
    const std::int64_t end = shape_.mask == Mask::causal ? query_first + 1 : shape_.length;
    for (std::int64_t key_first = 0; key_first < end; key_first += cut_.block) {
      worker_.scores.run(q_ + query_first * e, k_ + key_first * e, scores_);
      soften(query_first, key_first);
      worker_.weighted.run(scores_, v_ + key_first * e, out_);
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
      const std::int64_t visible =
          visible_columns(shape_, query_first + row, key_first, cut_.block);
      const float largest = std::max(row_max_[row], maximum(scores, visible));
      if (largest > row_max_[row]) {
        const float correction = fast_exp_or_zero(row_max_[row] - largest);
        row_sum_[row] *= correction;
        scale_run(out_ + row * shape_.head_size, correction, shape_.head_size);
        row_max_[row] = largest;
      }
      row_sum_[row] += exponentiate(scores, largest, visible);
      std::fill(scores + visible, scores + cut_.block, 0.0F);
    }
  }

  void finish(std::int64_t query_first) {
    const std::int64_t e = shape_.head_size;
    float* lse = call_.floats(2) + place_.lse_first + query_first;
    for (std::int64_t row = 0; row < queries_from(query_first); ++row) {
      const std::int64_t token = (query_first + row) * shape_.batch + place_.sequence;
      scale_run(out_ + row * e, 1.0F / row_sum_[row], e);
      call_.array(1).commit(place_.output(token), e, out_ + row * e);
      lse[row] = row_max_[row] + std::log(row_sum_[row]);
    }
  }

  const KernelCall& call_;
  const AttentionKeyShape& shape_;
  AttentionBlocks cut_;
  HeadPlace place_;
  AttentionWorker& worker_;
  float* q_ = nullptr;  // [padded x head_size], times 1 / sqrt(head_size)
  float* k_ = nullptr;
  float* v_ = nullptr;
  float* scores_ = nullptr;   // [block x block]
  float* out_ = nullptr;      // [block x head_size], not yet divided by the row sums
  float* row_max_ = nullptr;  // [block]
  float* row_sum_ = nullptr;
};

}  // namespace

void Attention::run_forward(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  std::vector<AttentionWorker>& workers = workers_for(shape);
  const std::int64_t heads = shape.batch * shape.heads;
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t head = 0; head < heads; ++head) {
    ForwardHead(call, head, workers[static_cast<std::size_t>(omp_get_thread_num())]).run();
  }
}

}  // namespace forerun::host
