// What both directions of attention share: blocks, workers, and where a head's numbers lie.
#include "kernels/host/attention.hpp"

#include <algorithm>
#include <cmath>

#include <omp.h>

#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// A block's scores and its rows of q, k and v stay in a 1 MiB second-level cache. 128 was as fast
// as 64 or up to 1.5 times faster for lengths of 256 to 1024 on an AVX-512 core.
constexpr std::int64_t largest_block = 128;
constexpr std::int64_t vector_floats = 16;

std::int64_t rounded_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

GemmShape square(std::int64_t block, std::int64_t head_size) {
  return {.m = block, .n = block, .k = head_size, .layout = GemmLayout::nt};
}

GemmShape tall(std::int64_t block, std::int64_t head_size, GemmLayout layout) {
  return {.m = block,
          .n = head_size,
          .k = block,
          .layout = layout,
          .output = GemmOutput::accumulate_fp32};
}

// Each product runs inside one thread, so oneDNN has to prepare it for one.
class OneThread {
 public:
  OneThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }

  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  OneThread(OneThread&&) = delete;
  OneThread& operator=(OneThread&&) = delete;

  ~OneThread() { omp_set_num_threads(threads_); }

 private:
  int threads_;
};

}  // namespace

AttentionBlocks::AttentionBlocks(const AttentionKeyShape& shape) {
  const std::int64_t cuts = (shape.length + largest_block - 1) / largest_block;
  block = rounded_up((shape.length + cuts - 1) / cuts, vector_floats);
  blocks = (shape.length + block - 1) / block;
  padded = blocks * block;
}

AttentionWorker::AttentionWorker(std::int64_t block, std::int64_t head_size)
    : scores(square(block, head_size), DataType::fp32),
      weighted(tall(block, head_size, GemmLayout::nn), DataType::fp32),
      transposed(tall(block, head_size, GemmLayout::tn), DataType::fp32) {}

HeadPlace::HeadPlace(const AttentionKeyShape& shape, std::int64_t batch_and_head)
    : sequence(batch_and_head / shape.heads), head(batch_and_head % shape.heads) {
  const std::int64_t key_head = head / (shape.heads / shape.kv_heads);
  query_column = head * shape.head_size;
  key_column = (shape.heads + key_head) * shape.head_size;
  value_column = key_column + shape.kv_heads * shape.head_size;
  packed_width = (shape.heads + 2 * shape.kv_heads) * shape.head_size;
  output_width = shape.heads * shape.head_size;
  output_column = query_column;
  lse_first = batch_and_head * shape.length;
}

std::vector<AttentionWorker>& Attention::workers_for(const AttentionKeyShape& shape) {
  const AttentionBlocks blocks(shape);
  auto& workers = workers_[{blocks.block, shape.head_size}];
  const auto threads = static_cast<std::size_t>(omp_get_max_threads());
  if (workers.size() < threads) {
    const OneThread guard;
    while (workers.size() < threads) {
      workers.push_back(AttentionWorker(blocks.block, shape.head_size));
    }
  }
  return workers;
}

void gather(const TypedArray& from, const HeadRows& rows, float factor, float* to) {
  for (std::int64_t i = 0; i < rows.length; ++i) {
    from.read_into(to + i * rows.head_size, rows.first + i * rows.stride, rows.head_size);
  }
  const std::int64_t filled = rows.length * rows.head_size;
  if (factor != 1.0F) {
    scale_run(to, factor, filled);
  }
  std::fill(to + filled, to + rows.padded * rows.head_size, 0.0F);
}

FORERUN_MULTIVERSION void scale_run(float* x, float factor, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    x[i] *= factor;
  }
}

std::int64_t visible_columns(const AttentionKeyShape& shape,
                             std::int64_t query,
                             std::int64_t key_first,
                             std::int64_t block) {
  const std::int64_t end = shape.mask == Mask::causal ? query + 1 : shape.length;
  return std::clamp<std::int64_t>(end - key_first, 0, block);
}

float score_scale(const AttentionKeyShape& shape) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_size)));
}

}  // namespace forerun::host
