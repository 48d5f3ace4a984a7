// Attention backward: FlashAttention-2, algorithm 2.
#include <algorithm>

#include <omp.h>

#include "kernels/host/attention.hpp"
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION float dot(const float* x, const float* y, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    total += x[i] * y[i];
  }
  return total;
}

struct RowStatistics {
  float lse = 0.0F;
  float delta = 0.0F;  ///< sum of d_out * out
};

// P = exp(S - lse) over the scores S; dS = P (dP - delta) over the gradients dP.
FORERUN_MULTIVERSION void differentiate(float* scores,
                                        float* gradients,
                                        const RowStatistics& row,
                                        std::int64_t count) {
  const float lse = row.lse;
  const float delta = row.delta;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float p = fast_exp_or_zero(scores[i] - lse);
    scores[i] = p;
    gradients[i] = p * (gradients[i] - delta);
  }
}

// One query head of one sequence; its key and value gradients stay apart from other heads'.
class BackwardHead {
 public:
  BackwardHead(const KernelCall& call, std::int64_t batch_and_head, AttentionWorker& worker)
      : call_(call),
        shape_(call.shape<AttentionKeyShape>()),
        cut_(shape_),
        place_(shape_, batch_and_head),
        worker_(worker),
        matrix_(cut_.padded * shape_.head_size) {
    const std::int64_t square = cut_.block * cut_.block;
    q_ = worker.memory.at_least(5 * matrix_ + 2 * square + cut_.padded);
    k_ = q_ + matrix_;
    v_ = k_ + matrix_;
    d_out_ = v_ + matrix_;
    d_q_ = d_out_ + matrix_;
    scores_ = d_q_ + matrix_;
    gradients_ = scores_ + square;
    delta_ = gradients_ + square;
  }

  // `key_value_gradients`: [2][padded][head_size], overwritten.
  void run(float* key_value_gradients) {
    load();
    d_k_ = key_value_gradients;
    d_v_ = d_k_ + matrix_;
    std::fill_n(d_k_, 2 * matrix_, 0.0F);
    std::fill_n(d_q_, matrix_, 0.0F);
    for (std::int64_t key_first = 0; key_first < cut_.padded; key_first += cut_.block) {
      const std::int64_t start = shape_.mask == Mask::causal ? key_first : 0;
      for (std::int64_t query_first = start; query_first < cut_.padded; query_first += cut_.block) {
        run_block(query_first, key_first);
      }
    }
    store_query_gradients();
  }

 private:
  [[nodiscard]] HeadRows packed_rows(std::int64_t column) const {
    return {.first = place_.packed(place_.sequence, column),
            .stride = shape_.batch * place_.packed_width,
            .length = shape_.length,
            .padded = cut_.padded,
            .head_size = shape_.head_size};
  }

  void load() {
    const TypedArray qkv = call_.array(0);
    gather(qkv, packed_rows(place_.query_column), score_scale(shape_), q_);
    gather(qkv, packed_rows(place_.key_column), 1.0F, k_);
    gather(qkv, packed_rows(place_.value_column), 1.0F, v_);
    HeadRows rows = packed_rows(0);
    rows.first = place_.output(place_.sequence);
    rows.stride = shape_.batch * place_.output_width;
    gather(call_.array(3), rows, 1.0F, d_out_);
    const std::int64_t e = shape_.head_size;
    float* buffer = d_q_;  // not in use yet
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      const float* out = call_.array(1).read(rows.first + i * rows.stride, e, buffer);
      delta_[i] = dot(out, d_out_ + i * e, e);
    }
  }

  void run_block(std::int64_t query_first, std::int64_t key_first) {
    const std::int64_t e = shape_.head_size;
    const float* q = q_ + query_first * e;
    const float* d_out = d_out_ + query_first * e;
    worker_.scores.run(q, k_ + key_first * e, scores_);
    worker_.scores.run(d_out, v_ + key_first * e, gradients_);
    const float* lse = call_.floats(2) + place_.lse_first;
    const std::int64_t queries = std::min(cut_.block, shape_.length - query_first);
    // Rows beyond the sequence hold zeros: their q and d_out are zero.
    for (std::int64_t row = 0; row < queries; ++row) {
      const std::int64_t query = query_first + row;
      const std::int64_t visible = visible_columns(shape_, query, key_first, cut_.block);
      float* scores = scores_ + row * cut_.block;
      float* gradients = gradients_ + row * cut_.block;
      differentiate(scores, gradients, {.lse = lse[query], .delta = delta_[query]}, visible);
      std::fill(scores + visible, scores + cut_.block, 0.0F);
      std::fill(gradients + visible, gradients + cut_.block, 0.0F);
    }
    worker_.transposed.run(scores_, d_out, d_v_ + key_first * e);
    worker_.transposed.run(gradients_, q, d_k_ + key_first * e);
    worker_.weighted.run(gradients_, k_ + key_first * e, d_q_ + query_first * e);
  }

  void store_query_gradients() {
    const std::int64_t e = shape_.head_size;
    scale_run(d_q_, score_scale(shape_), matrix_);
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      const std::int64_t token = i * shape_.batch + place_.sequence;
      call_.array(4).commit(place_.packed(token, place_.query_column), e, d_q_ + i * e);
    }
  }

  const KernelCall& call_;
  const AttentionKeyShape& shape_;
  AttentionBlocks cut_;
  HeadPlace place_;
  AttentionWorker& worker_;
  std::int64_t matrix_;  // elements of one [padded x head_size]
  float* q_ = nullptr;   // times 1 / sqrt(head_size)
  float* k_ = nullptr;
  float* v_ = nullptr;
  float* d_out_ = nullptr;
  float* d_q_ = nullptr;
  float* d_k_ = nullptr;
  float* d_v_ = nullptr;
  float* scores_ = nullptr;     // [block x block], then probabilities
  float* gradients_ = nullptr;  // [block x block], of the probabilities, then of the scores
  float* delta_ = nullptr;      // [padded]
};

}  // namespace

void Attention::run_backward(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  std::vector<AttentionWorker>& workers = workers_for(shape);
  const std::int64_t heads = shape.batch * shape.heads;
  const std::int64_t slab = 2 * AttentionBlocks(shape).padded * shape.head_size;
  float* slabs = key_value_gradients_.at_least(heads * slab);
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t head = 0; head < heads; ++head) {
    AttentionWorker& worker = workers[static_cast<std::size_t>(omp_get_thread_num())];
    BackwardHead(call, head, worker).run(slabs + head * slab);
  }
  sum_groups(call, slabs);
}

// Key and value gradients: the sum over the query heads that share the key and value head.
void Attention::sum_groups(const KernelCall& call, const float* slabs) {
  const auto& shape = call.shape<AttentionKeyShape>();
  const std::int64_t e = shape.head_size;
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::int64_t matrix = AttentionBlocks(shape).padded * e;
  const std::int64_t key_heads = shape.batch * shape.kv_heads;
  parallel_ranges(2 * key_heads * shape.length, group * e, [&](const ThreadRange& range) {
    const RunBuffer total(e);
    for (std::int64_t item = range.first; item < range.last; ++item) {
      const std::int64_t part = item / shape.length % 2;  // keys, values
      const std::int64_t key_head = item / shape.length / 2;
      const std::int64_t position = item % shape.length;
      const float* first = slabs + (key_head * group * 2 + part) * matrix + position * e;
      std::copy_n(first, e, total.data());
      for (std::int64_t member = 1; member < group; ++member) {
        accumulate(first + member * 2 * matrix, total.data(), e);
      }
      const HeadPlace place(shape, key_head * group);
      const std::int64_t token = position * shape.batch + place.sequence;
      const std::int64_t column = part == 0 ? place.key_column : place.value_column;
      call.array(4).commit(place.packed(token, column), e, total.data());
    }
  });
}

}  // namespace forerun::host
