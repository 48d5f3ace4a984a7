// Mamba-2's state-space dual form: chunks, and the forward pass.
#include <algorithm>
#include <cmath>

#include <omp.h>

#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/ssd_chunk.hpp"
#include "units/integer.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION void mask_row(const float* products,
                                   const SsdChunk& chunk,
                                   std::int64_t i,
                                   float* masked) {
  const double* const sums = chunk.sums.data();
  const float* const dt = chunk.dt;
  const double sum = sums[i];
#pragma omp simd
  for (std::int64_t j = 0; j <= i; ++j) {
    masked[j] = products[j] * fast_exp_or_zero(static_cast<float>(sum - sums[j])) * dt[j];
  }
}

// Y = M X + (exp(sums) C) S^T + D X, then the state moves on.
void forward_chunk(
    const SsdHead& head, SsdChunk& chunk, ChunkProducts& products, float* state, float* memory) {
  const SsdSizes& z = chunk.sizes;
  float* const plain = memory;
  float* const masked = plain + z.square();
  float* const y = masked + z.square();
  float* const faded = y + z.values();
  float* const factors = faded + z.projected();
  products.run(product(z.chunk, z.chunk, z.state, GemmLayout::nt), chunk.c, chunk.b, plain);
  mask_products(chunk, plain, masked);
  products.run(product(z.chunk, z.head_size, z.chunk, GemmLayout::nn), masked, chunk.x, y);
  for (std::int64_t i = 0; i < z.chunk; ++i) {
    factors[i] = chunk.decay_until(i);
  }
  scale_rows(chunk.c, factors, z.chunk, z.state, faded);
  products.run(sum_of_products(z.chunk, z.head_size, z.state, GemmLayout::nt), faded, state, y);
  add_scaled(chunk.x, head.skip, y, z.values());
  advance_state(products, chunk, faded, state);
}

}  // namespace

void ChunkProducts::run(const GemmShape& shape, const float* a, const float* b, float* c) {
  auto found = products_.find(shape);
  if (found == products_.end()) {
    found = products_.emplace(shape, Matmul(shape, DataType::fp32)).first;
  }
  found->second.run(a, b, c);
}

SsdSizes::SsdSizes(const SsdShape& shape)
    : chunk(std::min(shape.chunk, shape.length)),
      chunks(ceil_div(shape.length, chunk)),
      head_size(shape.head_size),
      state(shape.state) {}

SsdHead::SsdHead(const KernelCall& kernel_call, std::int64_t sequence_and_head)
    : call(kernel_call),
      shape(kernel_call.shape<SsdShape>()),
      sequence(sequence_and_head / shape.heads),
      head(sequence_and_head % shape.heads),
      dt_bias(kernel_call.floats(4)[head]),
      a(-std::exp(kernel_call.floats(5)[head])),
      skip(kernel_call.floats(6)[head]) {}

SsdChunk::SsdChunk(const SsdSizes& head_sizes, float* memory)
    : sizes(head_sizes), sums(static_cast<std::size_t>(head_sizes.chunk)) {
  x = memory;
  b = x + sizes.values();
  c = b + sizes.projected();
  raw = c + sizes.projected();
  dt = raw + sizes.chunk;
}

std::int64_t SsdChunk::floats(const SsdSizes& sizes) {
  return sizes.values() + 2 * sizes.projected() + 2 * sizes.chunk;
}

void SsdChunk::load(const SsdHead& head, std::int64_t first) {
  count = std::min(sizes.chunk, head.shape.length - first);
  std::fill(x, raw, 0.0F);
  std::fill_n(dt, sizes.chunk, 0.0F);
  double sum = 0.0;
  for (std::int64_t i = 0; i < sizes.chunk; ++i) {
    if (i < count) {
      const std::int64_t p = first + i;
      head.call.array(0).read_into(x + i * sizes.head_size, head.value(p), sizes.head_size);
      head.call.array(1).read_into(raw + i, head.step(p), 1);
      head.call.array(2).read_into(b + i * sizes.state, head.projection(p), sizes.state);
      head.call.array(3).read_into(c + i * sizes.state, head.projection(p), sizes.state);
      dt[i] = fast_softplus(raw[i] + head.dt_bias);
    }
    sum += static_cast<double>(dt[i]) * static_cast<double>(head.a);
    sums[static_cast<std::size_t>(i)] = sum;
  }
}

float SsdChunk::decay_until(std::int64_t i) const {
  return fast_exp_or_zero(static_cast<float>(sums[static_cast<std::size_t>(i)]));
}

float SsdChunk::decay_after(std::int64_t i) const {
  return fast_exp_or_zero(static_cast<float>(sums.back() - sums[static_cast<std::size_t>(i)]));
}

float SsdChunk::kept() const {
  return decay_until(sizes.chunk - 1);
}

void mask_products(const SsdChunk& chunk, const float* products, float* masked) {
  const std::int64_t n = chunk.sizes.chunk;
  for (std::int64_t i = 0; i < n; ++i) {
    float* const row = masked + i * n;
    mask_row(products + i * n, chunk, i, row);
    std::fill(row + i + 1, row + n, 0.0F);
  }
}

void scale_rows(
    const float* from, const float* factors, std::int64_t rows, std::int64_t width, float* to) {
  for (std::int64_t i = 0; i < rows; ++i) {
    scale_to(from + i * width, factors[i], to + i * width, width);
  }
}

void advance_state(ChunkProducts& products, const SsdChunk& chunk, float* scratch, float* state) {
  const SsdSizes& z = chunk.sizes;
  float* const weights = scratch + z.values();
  for (std::int64_t j = 0; j < z.chunk; ++j) {
    weights[j] = chunk.decay_after(j) * chunk.dt[j];
  }
  scale_rows(chunk.x, weights, z.chunk, z.head_size, scratch);
  scale_to(state, chunk.kept(), state, z.states());
  products.run(
      sum_of_products(z.head_size, z.state, z.chunk, GemmLayout::tn), scratch, chunk.b, state);
}

std::vector<Ssd::Worker>& Ssd::workers() {
  const auto threads = static_cast<std::size_t>(omp_get_max_threads());
  if (workers_.size() < threads) {
    workers_ = std::vector<Worker>(threads);
  }
  return workers_;
}

void Ssd::run_forward(const KernelCall& call) {
  const auto& s = call.shape<SsdShape>();
  const SsdSizes z(s);
  auto& all = workers();
  const TypedArray y = call.array(7);
  const std::int64_t chunk_memory =
      2 * z.square() + z.values() + std::max(z.projected(), z.values()) + 2 * z.chunk;
  parallel_ranges(s.batch * s.heads, s.length * s.head_size, [&](const ThreadRange& range) {
    Worker& worker = all[static_cast<std::size_t>(range.thread)];
    float* const memory = worker.memory.at_least(SsdChunk::floats(z) + z.states() + chunk_memory);
    SsdChunk chunk(z, memory);
    float* const state = memory + SsdChunk::floats(z);
    float* const rest = state + z.states();
    for (std::int64_t item = range.first; item < range.last; ++item) {
      const SsdHead head(call, item);
      std::fill_n(state, z.states(), 0.0F);
      for (std::int64_t first = 0; first < s.length; first += z.chunk) {
        chunk.load(head, first);
        forward_chunk(head, chunk, worker.products, state, rest);
        const float* const out = rest + 2 * z.square();
        for (std::int64_t i = 0; i < chunk.count; ++i) {
          y.commit(head.value(first + i), s.head_size, out + i * s.head_size);
        }
      }
    }
  });
}

}  // namespace forerun::host
