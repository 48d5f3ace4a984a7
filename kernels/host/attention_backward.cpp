// Attention backward: FlashAttention-2, algorithm 2.
#include <algorithm>

#include <omp.h>

#include "kernels/host/attention.hpp"
#include "kernels/host/attention_scores.hpp"
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

struct RowStatistics {
  float lse = 0.0F;
  float delta = 0.0F;  ///< sum of d_out * out
  float scale = 1.0F;  ///< of the scores
};

// P = exp(scale S - lse) over the scores S; dS = scale P (dP - delta) over the gradients dP.
FORERUN_MULTIVERSION void differentiate(float* scores,
                                        float* gradients,
                                        const RowStatistics& row,
                                        std::int64_t count) {
  const float lse = row.lse;
  const float delta = row.delta;
  const float scale = row.scale;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float p = fast_exp_or_zero(scale * scores[i] - lse);
    scores[i] = p;
    gradients[i] = scale * p * (gradients[i] - delta);
  }
}

FORERUN_MULTIVERSION void multiply(float* x, const float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    x[i] *= y[i];
  }
}

// Elements of the key and value gradients of one query head.
std::int64_t slab_size(const AttentionKeyShape& shape) {
  return AttentionBlocks(shape).padded_keys * (shape.head_size + value_size(shape));
}

// One query head of one sequence; its key and value gradients stay apart from other heads'.
class BackwardHead {
 public:
  BackwardHead(const KernelCall& call, std::int64_t batch_and_head, AttentionWorker& worker)
      : call_(call),
        shape_(call.shape<AttentionKeyShape>()),
        cut_(shape_),
        place_(shape_, batch_and_head),
        change_(call, batch_and_head),
        worker_(worker),
        e_(place_.key.size),
        v_size_(place_.value.size) {
    const DataType type = worker.type;
    const std::int64_t square = cut_.block * cut_.block;
    float* at = worker.memory.at_least(floats(type));
    const auto take = [&at](std::int64_t count) {
      float* const taken = at;
      at += count;
      return taken;
    };
    const auto take_matrix = [&](std::int64_t elements) {
      return BlockMatrix{take(BlockMatrix::floats(elements, type)), type};
    };
    q_ = take_matrix(cut_.padded_queries * e_);
    d_out_ = take_matrix(cut_.padded_queries * v_size_);
    k_ = take_matrix(cut_.padded_keys * e_);
    v_ = take_matrix(cut_.padded_keys * v_size_);
    scores_ = take(square);
    gradients_ = take(square);
    p_ = {scores_, type};
    d_scores_ = {gradients_, type};
    if (type == DataType::bf16) {
      p_ = take_matrix(square);
      d_scores_ = take_matrix(square);
    }
    d_q_ = take(cut_.padded_queries * e_);
    delta_ = take(cut_.padded_queries);
    slopes_ = take(cut_.block);
    row_ = take(2 * v_size_);
  }

  // `key_value_gradients`: [padded keys x head_size], then [padded keys x value_size]; overwritten.
  void run(float* key_value_gradients) {
    load();
    d_k_ = key_value_gradients;
    d_v_ = d_k_ + cut_.padded_keys * e_;
    std::fill_n(d_k_, cut_.padded_keys * (e_ + v_size_), 0.0F);
    std::fill_n(d_q_, cut_.padded_queries * e_, 0.0F);
    for (std::int64_t query_first = 0; query_first < shape_.length; query_first += cut_.block) {
      const auto [first, last] = keys_of_block(shape_, query_first, cut_.block);
      for (std::int64_t key_first = first / cut_.block * cut_.block; key_first < last;
           key_first += cut_.block) {
        run_block(query_first, key_first);
      }
    }
    store_query_gradients();
  }

 private:
  [[nodiscard]] std::int64_t floats(DataType type) const {
    const std::int64_t square = cut_.block * cut_.block;
    return BlockMatrix::floats(cut_.padded_queries * e_, type) +
           BlockMatrix::floats(cut_.padded_queries * v_size_, type) +
           BlockMatrix::floats(cut_.padded_keys * e_, type) +
           BlockMatrix::floats(cut_.padded_keys * v_size_, type) + 2 * square +
           2 * BlockMatrix::floats(square, type) + cut_.padded_queries * (e_ + 1) + cut_.block +
           2 * v_size_;
  }

  void load() {
    const HeadRows d_output = place_.output.in(place_.d_output_operand);
    gather(call_, place_.query, cut_.padded_queries, q_);
    gather(call_, place_.key, cut_.padded_keys, k_);
    gather(call_, place_.value, cut_.padded_keys, v_);
    gather(call_, d_output, cut_.padded_queries, d_out_);
    const TypedArray outputs = call_.array(place_.output.operand);
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      const float* out = outputs.read(place_.output.at(i), v_size_, row_);
      const float* d_out =
          call_.array(d_output.operand).read(d_output.at(i), v_size_, row_ + v_size_);
      delta_[i] = dot(out, d_out, v_size_);
    }
  }

  void run_block(std::int64_t query_first, std::int64_t key_first) {
    const std::int64_t square = cut_.block * cut_.block;
    const void* const q = q_.at(query_first * e_);
    const void* const d_out = d_out_.at(query_first * v_size_);
    std::fill_n(scores_, square, 0.0F);
    std::fill_n(gradients_, square, 0.0F);
    worker_.keyed.scores.run(q, k_.at(key_first * e_), scores_);
    worker_.valued.scores.run(d_out, v_.at(key_first * v_size_), gradients_);
    const std::int64_t queries = std::min(cut_.block, shape_.length - query_first);
    // Rows beyond the sequence hold zeros: their q and d_out are zero.
    for (std::int64_t row = 0; row < queries; ++row) {
      const std::int64_t query = query_first + row;
      const auto [first, last] = visible_columns(shape_, query, key_first, cut_.block);
      float* scores = scores_ + row * cut_.block;
      float* gradients = gradients_ + row * cut_.block;
      differentiate_row(query, key_first + first, scores + first, gradients + first, last - first);
      for (float* const values : {scores, gradients}) {
        std::fill(values, values + first, 0.0F);
        std::fill(values + last, values + cut_.block, 0.0F);
      }
    }
    p_.assign(scores_, square);
    d_scores_.assign(gradients_, square);
    worker_.valued.transposed.run(p_.data, d_out, d_v_ + key_first * v_size_);
    worker_.keyed.transposed.run(d_scores_.data, q, d_k_ + key_first * e_);
    worker_.keyed.weighted.run(d_scores_.data, k_.at(key_first * e_), d_q_ + query_first * e_);
  }

  // The scores of keys from `key` on become probabilities, their gradients those of the scores.
  void differentiate_row(
      std::int64_t query, std::int64_t key, float* scores, float* gradients, std::int64_t count) {
    const float* lse = call_.floats(place_.lse_operand) + place_.lse_first;
    change_.apply(scores, key - query - shape_.offset, count);
    if (change_.has_slopes()) {
      change_.slopes(scores, slopes_, count);
    }
    differentiate(
        scores, gradients, {.lse = lse[query], .delta = delta_[query], .scale = scale_}, count);
    if (change_.has_slopes()) {
      multiply(gradients, slopes_, count);
    }
  }

  void store_query_gradients() {
    const TypedArray d_query = call_.array(place_.d_query_operand);
    for (std::int64_t i = 0; i < shape_.length; ++i) {
      d_query.commit(place_.query.at(i), e_, d_q_ + i * e_);
    }
  }

  const KernelCall& call_;
  const AttentionKeyShape& shape_;
  AttentionBlocks cut_;
  HeadPlace place_;
  ScoreChange change_;
  AttentionWorker& worker_;
  std::int64_t e_;
  std::int64_t v_size_;
  float scale_ = score_scale(shape_);
  BlockMatrix q_;
  BlockMatrix d_out_;
  BlockMatrix k_;
  BlockMatrix v_;
  float* scores_ = nullptr;     // [block x block], then probabilities
  float* gradients_ = nullptr;  // [block x block], of the probabilities, then of the scores
  BlockMatrix p_;               // both in the format of the products
  BlockMatrix d_scores_;
  float* d_q_ = nullptr;     // [padded queries x head_size]
  float* delta_ = nullptr;   // [padded queries]
  float* slopes_ = nullptr;  // [block], of the change of scores
  float* row_ = nullptr;     // two rows of values
  float* d_k_ = nullptr;
  float* d_v_ = nullptr;
};

// Adds up one part, keys or values, of the slabs of the query heads that share a key head.
void sum_part(const KernelCall& call,
              const float* slabs,
              std::int64_t part_first,
              const HeadRows& (*rows_of)(const HeadPlace&),
              std::size_t (*operand_of)(const HeadPlace&)) {
  const auto& shape = call.shape<AttentionKeyShape>();
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::int64_t slab = slab_size(shape);
  const std::int64_t keys = key_length(shape);
  const std::int64_t size = rows_of(HeadPlace(shape, 0)).size;
  parallel_ranges(shape.batch * shape.kv_heads * keys, group * size, [&](const ThreadRange& range) {
    const RunBuffer total(size);
    for (std::int64_t item = range.first; item < range.last; ++item) {
      const std::int64_t first_head = item / keys * group;
      const std::int64_t position = item % keys;
      const float* from = slabs + first_head * slab + part_first + position * size;
      std::copy_n(from, size, total.data());
      for (std::int64_t member = 1; member < group; ++member) {
        accumulate(from + member * slab, total.data(), size);
      }
      const HeadPlace place(shape, first_head);
      call.array(operand_of(place)).commit(rows_of(place).at(position), size, total.data());
    }
  });
}

}  // namespace

void Attention::run_backward(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  std::vector<AttentionWorker>& workers = workers_for(call);
  const std::int64_t heads = shape.batch * shape.heads;
  const std::int64_t slab = slab_size(shape);
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
  sum_part(
      call,
      slabs,
      0,
      [](const HeadPlace& place) -> const HeadRows& { return place.key; },
      [](const HeadPlace& place) { return place.d_key_operand; });
  sum_part(
      call,
      slabs,
      AttentionBlocks(shape).padded_keys * shape.head_size,
      [](const HeadPlace& place) -> const HeadRows& { return place.value; },
      [](const HeadPlace& place) { return place.d_value_operand; });
}

}  // namespace forerun::host
