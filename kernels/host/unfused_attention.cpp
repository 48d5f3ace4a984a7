#include "kernels/host/unfused_attention.hpp"

#include <algorithm>

#include <omp.h>

#include "kernels/host/one_thread.hpp"

namespace forerun::host {
namespace {

// One key-value head of one sequence and the query heads that share it.
class Group {
 public:
  Group(const KernelCall& call, std::int64_t index, UnfusedAttention::Worker& worker)
      : call_(call),
        shape_(call.shape<AttentionKeyShape>()),
        sequence_(index / shape_.kv_heads),
        kv_head_(index % shape_.kv_heads),
        worker_(worker) {
    const std::int64_t queries = shape_.length * std::max(shape_.head_size, value_size(shape_));
    const std::int64_t keyed = keys() * std::max(shape_.head_size, value_size(shape_));
    const std::int64_t scores = shape_.length * keys();
    const auto floats = [&](std::int64_t n) { return BlockMatrix::floats(n, worker.type); };
    float* memory = worker.memory.at_least(floats(queries) + floats(keyed) + floats(scores) +
                                           scores + queries + keyed + 64);
    const auto take = [&memory](std::int64_t n) {
      float* const first = memory;
      memory += n;
      return first;
    };
    rows_ = {take(floats(queries)), worker.type};
    columns_ = {take(floats(keyed)), worker.type};
    square_ = {take(floats(scores)), worker.type};
    square_sum_ = take(scores);
    row_sum_ = take(queries);
    column_sum_ = take(keyed);
  }

  void run() {
    clear(column_sum_, keys() * std::max(shape_.head_size, value_size(shape_)));
    for (std::int64_t i = 0; i < shape_.heads / shape_.kv_heads; ++i) {
      head_ = kv_head_ * (shape_.heads / shape_.kv_heads) + i;
      run_head();
    }
    if (call_.key.op == KernelOp::context_backward) {
      write(4, plain(shape_.kv_heads, kv_head_, value_size(shape_), keys()), column_sum_);
    }
    if (call_.key.op == KernelOp::scores_backward) {
      write(3, packed(shape_.heads + kv_head_, keys()), column_sum_);
      copy_value_gradient();
    }
  }

 private:
  [[nodiscard]] std::int64_t keys() const { return key_length(shape_); }

  // Row = position * batch + sequence.
  [[nodiscard]] HeadRows rows_of(std::int64_t width,
                                 std::int64_t column,
                                 std::int64_t length,
                                 std::int64_t size) const {
    return {0, sequence_ * width + column, shape_.batch * width, length, size};
  }

  [[nodiscard]] HeadRows packed(std::int64_t head, std::int64_t length) const {
    const std::int64_t width = (shape_.heads + 2 * shape_.kv_heads) * shape_.head_size;
    return rows_of(width, head * shape_.head_size, length, shape_.head_size);
  }

  [[nodiscard]] HeadRows plain(std::int64_t heads,
                               std::int64_t head,
                               std::int64_t size,
                               std::int64_t length) const {
    return rows_of(heads * size, head * size, length, size);
  }

  // The scores of the present head are contiguous.
  [[nodiscard]] HeadRows score_rows() const {
    const std::int64_t first = (sequence_ * shape_.heads + head_) * shape_.length * keys();
    return {0, first, keys(), shape_.length, keys()};
  }

  void read(std::size_t operand, const HeadRows& rows, const BlockMatrix& to) const {
    gather(call_, rows.in(operand), rows.length, to);
  }

  void write(std::size_t operand, const HeadRows& rows, const float* values) const {
    const TypedArray target = call_.array(operand);
    for (std::int64_t i = 0; i < rows.length; ++i) {
      target.commit(rows.at(i), rows.size, values + i * rows.size);
    }
  }

  static void clear(float* values, std::int64_t count) { std::fill_n(values, count, 0.0F); }

  void run_head() {
    const HeadRows query = packed(head_, shape_.length);
    const HeadRows key = packed(shape_.heads + kv_head_, keys());
    const HeadRows value = packed(shape_.heads + shape_.kv_heads + kv_head_, keys());
    const HeadRows output = plain(shape_.heads, head_, value_size(shape_), shape_.length);
    const std::int64_t scores = shape_.length * keys();
    switch (call_.key.op) {
      case KernelOp::scores_forward:
        read(0, query, rows_);
        read(0, key, columns_);
        clear(square_sum_, scores);
        worker_.keyed_scores.run(rows_.data, columns_.data, square_sum_);
        write(1, score_rows(), square_sum_);
        break;
      case KernelOp::context_forward:
        read(0, score_rows(), square_);
        read(1, value, columns_);
        clear(row_sum_, shape_.length * value_size(shape_));
        worker_.weighted.run(square_.data, columns_.data, row_sum_);
        write(2, output, row_sum_);
        break;
      case KernelOp::context_backward:
        read(0, score_rows(), square_);
        read(1, value, columns_);
        read(2, output, rows_);
        clear(square_sum_, scores);
        worker_.valued_scores.run(rows_.data, columns_.data, square_sum_);
        write(3, score_rows(), square_sum_);
        worker_.to_values.run(square_.data, rows_.data, column_sum_);
        break;
      default:  // scores_backward
        read(0, score_rows(), square_);
        read(1, key, columns_);
        clear(row_sum_, shape_.length * shape_.head_size);
        worker_.to_queries.run(square_.data, columns_.data, row_sum_);
        write(3, query, row_sum_);
        read(1, query, rows_);
        worker_.to_keys.run(square_.data, rows_.data, column_sum_);
    }
  }

  void copy_value_gradient() {
    const HeadRows from = plain(shape_.kv_heads, kv_head_, value_size(shape_), keys());
    const HeadRows to = packed(shape_.heads + shape_.kv_heads + kv_head_, keys());
    const TypedArray source = call_.array(2);
    const TypedArray target = call_.array(3);
    for (std::int64_t i = 0; i < keys(); ++i) {
      const float* values = source.read(from.at(i), from.size, row_sum_);
      target.commit(to.at(i), to.size, values);
    }
  }

  const KernelCall& call_;
  const AttentionKeyShape& shape_;
  std::int64_t sequence_;
  std::int64_t kv_head_;
  std::int64_t head_ = 0;
  UnfusedAttention::Worker& worker_;
  BlockMatrix rows_;     // [length x size]
  BlockMatrix columns_;  // [keys x size]
  BlockMatrix square_;   // [length x keys]
  float* square_sum_ = nullptr;
  float* row_sum_ = nullptr;
  float* column_sum_ = nullptr;
};

}  // namespace

UnfusedAttention::Worker::Worker(const AttentionKeyShape& s, DataType product_type)
    : type(product_type),
      keyed_scores(sum_of_products(s.length, key_length(s), s.head_size, GemmLayout::nt),
                   product_type),
      valued_scores(sum_of_products(s.length, key_length(s), value_size(s), GemmLayout::nt),
                    product_type),
      weighted(sum_of_products(s.length, value_size(s), key_length(s), GemmLayout::nn),
               product_type),
      to_values(sum_of_products(key_length(s), value_size(s), s.length, GemmLayout::tn),
                product_type),
      to_queries(sum_of_products(s.length, s.head_size, key_length(s), GemmLayout::nn),
                 product_type),
      to_keys(sum_of_products(key_length(s), s.head_size, s.length, GemmLayout::tn), product_type) {
}

std::vector<UnfusedAttention::Worker>& UnfusedAttention::workers_for(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  const DataType type = bf16_ == Bf16Gemm::native ? call.key.type : DataType::fp32;
  auto& workers = workers_[{shape, type}];
  const auto threads = static_cast<std::size_t>(omp_get_max_threads());
  if (workers.size() < threads) {
    const OneThread guard;
    while (workers.size() < threads) {
      workers.push_back(Worker(shape, type));
    }
  }
  return workers;
}

void UnfusedAttention::run(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  std::vector<Worker>& workers = workers_for(call);
  const std::int64_t groups = shape.batch * shape.kv_heads;
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t group = 0; group < groups; ++group) {
    Group(call, group, workers[static_cast<std::size_t>(omp_get_thread_num())]).run();
  }
}

}  // namespace forerun::host
