// What both directions of attention share: blocks, workers, and where a head's numbers lie.
#include "kernels/host/attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <omp.h>

#include "kernels/host/one_thread.hpp"
#include "units/integer.hpp"

namespace forerun::host {
namespace {

// A block's scores and its rows of q, k and v stay in a 1 MiB second-level cache. 128 was as fast
// as 64 or up to 1.5 times faster for lengths of 256 to 1024 on an AVX-512 core.
constexpr std::int64_t largest_block = 128;
constexpr std::int64_t vector_floats = 16;

GemmShape square(std::int64_t block, std::int64_t size) {
  return {block, block, size, GemmLayout::nt, GemmOutput::accumulate_fp32};
}

GemmShape tall(std::int64_t block, std::int64_t size, GemmLayout layout) {
  return {block, size, block, layout, GemmOutput::accumulate_fp32};
}

}  // namespace

AttentionBlocks::AttentionBlocks(const AttentionKeyShape& shape) {
  const std::int64_t keys = key_length(shape);
  const std::int64_t longest = std::max(shape.length, keys);
  const std::int64_t cuts = ceil_div(longest, largest_block);
  block = rounded_up(ceil_div(longest, cuts), vector_floats);
  padded_queries = rounded_up(shape.length, block);
  padded_keys = rounded_up(keys, block);
}

BlockProducts::BlockProducts(std::int64_t block, std::int64_t size, DataType type)
    : scores(square(block, size), type),
      weighted(tall(block, size, GemmLayout::nn), type),
      transposed(tall(block, size, GemmLayout::tn), type) {}

std::int64_t BlockMatrix::floats(std::int64_t elements, DataType type) {
  return rounded_up(type == DataType::bf16 ? (elements + 1) / 2 : elements, vector_floats);
}

void* BlockMatrix::at(std::int64_t element) const {
  const std::size_t bytes = type == DataType::bf16 ? sizeof(Bf16) : sizeof(float);
  return static_cast<char*>(data) + static_cast<std::size_t>(element) * bytes;
}

void BlockMatrix::assign(const float* values, std::int64_t elements) const {
  if (data != values) {
    TypedArray(data, type).commit(0, elements, values);
  }
}

AttentionWorker::AttentionWorker(std::int64_t block,
                                 const AttentionKeyShape& shape,
                                 DataType product)
    : type(product),
      keyed(block, shape.head_size, product),
      valued(block, value_size(shape), product) {}

HeadPlace::HeadPlace(const AttentionKeyShape& shape, std::int64_t batch_and_head)
    : lse_first(batch_and_head * shape.length) {
  const std::int64_t sequence = batch_and_head / shape.heads;
  const std::int64_t head = batch_and_head % shape.heads;
  const std::int64_t key_head = head / (shape.heads / shape.kv_heads);
  const std::int64_t e = shape.head_size;
  const std::int64_t v = value_size(shape);
  // Rows of `width` elements, one a position and sequence; this head's start at `column`.
  const auto rows = [&](std::size_t operand,
                        std::int64_t width,
                        std::int64_t column,
                        std::int64_t length,
                        std::int64_t size) {
    return HeadRows{operand, sequence * width + column, shape.batch * width, length, size};
  };
  const std::int64_t keys = key_length(shape);
  if (is_packed(shape)) {
    const std::int64_t width = (shape.heads + 2 * shape.kv_heads) * e;
    query = rows(0, width, head * e, shape.length, e);
    key = rows(0, width, (shape.heads + key_head) * e, keys, e);
    value = rows(0, width, (shape.heads + shape.kv_heads + key_head) * e, keys, v);
  } else {
    query = rows(0, shape.heads * e, head * e, shape.length, e);
    key = rows(1, shape.kv_heads * e, key_head * e, keys, e);
    value = rows(2, shape.kv_heads * v, key_head * v, keys, v);
  }
  const std::size_t inputs = is_packed(shape) ? 1 : 3;
  output = rows(inputs, shape.heads * v, head * v, shape.length, v);
  lse_operand = inputs + 1;
  d_output_operand = inputs + 2;
  d_query_operand = inputs + 3;
  d_key_operand = is_packed(shape) ? d_query_operand : d_query_operand + 1;
  d_value_operand = is_packed(shape) ? d_query_operand : d_query_operand + 2;
}

std::vector<AttentionWorker>& Attention::workers_for(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  const AttentionBlocks blocks(shape);
  const DataType type = bf16_ == Bf16Gemm::native ? call.key.type : DataType::fp32;
  auto& workers = workers_[{blocks.block, shape.head_size, value_size(shape), type}];
  const auto threads = static_cast<std::size_t>(omp_get_max_threads());
  if (workers.size() < threads) {
    const OneThread guard;
    while (workers.size() < threads) {
      workers.push_back(AttentionWorker(blocks.block, shape, type));
    }
  }
  return workers;
}

void gather(const KernelCall& call,
            const HeadRows& rows,
            std::int64_t padded,
            const BlockMatrix& to) {
  const TypedArray from = call.array(rows.operand);
  const bool is_bf16 = to.type == DataType::bf16;
  const std::size_t bytes = is_bf16 ? sizeof(Bf16) : sizeof(float);
  for (std::int64_t i = 0; i < rows.length; ++i) {
    void* const row = to.at(i * rows.size);
    if (is_bf16) {
      const auto* const stored = static_cast<const Bf16*>(call.operands[rows.operand]);
      std::memcpy(row, stored + rows.at(i), static_cast<std::size_t>(rows.size) * bytes);
    } else {
      from.read_into(static_cast<float*>(row), rows.at(i), rows.size);
    }
  }
  std::memset(to.at(rows.length * rows.size),
              0,
              static_cast<std::size_t>((padded - rows.length) * rows.size) * bytes);
}

VisibleKeys visible_columns(const AttentionKeyShape& shape,
                            std::int64_t query,
                            std::int64_t key_first,
                            std::int64_t block) {
  const auto [first, last] = visible_keys(shape, query);
  const std::int64_t from = std::clamp<std::int64_t>(first - key_first, 0, block);
  return {from, std::clamp<std::int64_t>(last - key_first, from, block)};
}

// Both ends of what a query sees move only forward from one query to the next.
VisibleKeys keys_of_block(const AttentionKeyShape& shape,
                          std::int64_t query_first,
                          std::int64_t block) {
  const std::int64_t query_last = std::min(query_first + block, shape.length) - 1;
  return {visible_keys(shape, query_first).first, visible_keys(shape, query_last).last};
}

float score_scale(const AttentionKeyShape& shape) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_size)));
}

}  // namespace forerun::host
