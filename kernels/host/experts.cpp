// Routing of tokens to experts and the permutations around the experts' products.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/host/expert_kernels.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"

namespace forerun::host {
namespace {

// The first of the largest logits that is not chosen yet; chosen ones are -infinity. Twice through
// the row, but the first time vectorised. Rows without a number end at the last expert.
std::int64_t index_of_largest(const float* logits, std::int64_t count) {
  const float largest = maximum(logits, count);
  return std::min(std::find(logits, logits + count, largest) - logits, count - 1);
}

std::int32_t* integers_out(const KernelCall& call, std::size_t index) {
  return static_cast<std::int32_t*>(call.operands[index]);
}

// Sums of a token's rows: `weights` null for a plain sum.
void gather_rows(const KernelCall& call,
                 const TypedArray& from,
                 const TypedArray& to,
                 const float* weights) {
  const auto& s = call.shape<PermuteShape>();
  const std::int32_t* row_of = call.integers(1);
  parallel_ranges(s.tokens, s.top_k * s.columns, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * s.columns);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      float* sum = to.target(token * s.columns, buffer.data());
      std::fill_n(sum, s.columns, 0.0F);
      for (std::int64_t copy = token * s.top_k; copy < (token + 1) * s.top_k; ++copy) {
        const float* row =
            from.read(row_of[copy] * s.columns, s.columns, buffer.data() + s.columns);
        add_scaled(row, weights == nullptr ? 1.0F : weights[copy], sum, s.columns);
      }
      to.commit(token * s.columns, s.columns, sum);
    }
  });
}

}  // namespace

void router_forward(const KernelCall& call) {
  const auto& s = call.shape<RouterShape>();
  float* weights = call.floats(1);
  std::int32_t* chosen = integers_out(call, 2);
  parallel_ranges(s.tokens, s.experts * s.top_k, [&](const ThreadRange& range) {
    const RunBuffer buffer(s.experts);
    float* logits = buffer.data();
    for (std::int64_t token = range.first; token < range.last; ++token) {
      call.array(0).read_into(logits, token * s.experts, s.experts);
      float largest = 0.0F;
      float sum = 0.0F;
      for (std::int64_t i = 0; i < s.top_k; ++i) {
        const std::int64_t expert = index_of_largest(logits, s.experts);
        largest = i == 0 ? logits[expert] : largest;
        const float weight = std::exp(logits[expert] - largest);
        sum += weight;
        weights[token * s.top_k + i] = weight;
        chosen[token * s.top_k + i] = static_cast<std::int32_t>(expert);
        logits[expert] = -std::numeric_limits<float>::infinity();
      }
      for (std::int64_t i = 0; i < s.top_k; ++i) {
        weights[token * s.top_k + i] /= sum;
      }
    }
  });
}

void router_backward(const KernelCall& call) {
  const auto& s = call.shape<RouterShape>();
  const std::int32_t* chosen = call.integers(0);
  const float* weights = call.floats(1);
  const float* d_weights = call.floats(2);
  const TypedArray d_logits = call.array(3);
  parallel_ranges(s.tokens, s.experts, [&](const ThreadRange& range) {
    const RunBuffer buffer(s.experts);
    for (std::int64_t token = range.first; token < range.last; ++token) {
      float* row = d_logits.target(token * s.experts, buffer.data());
      std::fill_n(row, s.experts, 0.0F);
      const std::int64_t first = token * s.top_k;
      const float mean = dot(weights + first, d_weights + first, s.top_k);
      for (std::int64_t i = first; i < first + s.top_k; ++i) {
        row[chosen[i]] = weights[i] * (d_weights[i] - mean);
      }
      d_logits.commit(token * s.experts, s.experts, row);
    }
  });
}

// A counting sort: every thread counts its tokens, learns where its copies start among those of
// the threads before it, and places them in order.
void expert_sort(const KernelCall& call) {
  const auto& s = call.shape<RouterShape>();
  const std::int32_t* chosen = call.integers(0);
  std::int32_t* ends = integers_out(call, 1);
  std::int32_t* row_of = integers_out(call, 2);
  const auto threads = static_cast<std::int64_t>(omp_get_max_threads());
  std::vector<std::int32_t> places(static_cast<std::size_t>(threads * s.experts), 0);
  parallel_ranges(s.tokens, s.top_k, [&](const ThreadRange& range) {
    std::int32_t* counts = places.data() + range.thread * s.experts;
    for (std::int64_t i = range.first * s.top_k; i < range.last * s.top_k; ++i) {
      ++counts[chosen[i]];
    }
  });
  std::int32_t next = 0;
  for (std::int64_t expert = 0; expert < s.experts; ++expert) {
    for (std::int64_t thread = 0; thread < threads; ++thread) {
      std::int32_t& place = places[static_cast<std::size_t>(thread * s.experts + expert)];
      next += std::exchange(place, next);
    }
    ends[expert] = next;
  }
  parallel_ranges(s.tokens, s.top_k, [&](const ThreadRange& range) {
    std::int32_t* mine = places.data() + range.thread * s.experts;
    for (std::int64_t i = range.first * s.top_k; i < range.last * s.top_k; ++i) {
      row_of[i] = mine[chosen[i]]++;
    }
  });
}

void permute_forward(const KernelCall& call) {
  const auto& s = call.shape<PermuteShape>();
  const std::int32_t* row_of = call.integers(1);
  const auto row_bytes = static_cast<std::size_t>(s.columns) *
                         (call.key.type == DataType::bf16 ? sizeof(Bf16) : sizeof(float));
  const auto* from = static_cast<const char*>(call.operands[0]);
  auto* to = static_cast<char*>(call.operands[2]);
  parallel_ranges(s.tokens, s.top_k * s.columns, [&](const ThreadRange& range) {
    for (std::int64_t copy = range.first * s.top_k; copy < range.last * s.top_k; ++copy) {
      std::memcpy(to + static_cast<std::size_t>(row_of[copy]) * row_bytes,
                  from + static_cast<std::size_t>(copy / s.top_k) * row_bytes,
                  row_bytes);
    }
  });
}

void permute_backward(const KernelCall& call) {
  gather_rows(call, call.array(0), call.array(2), nullptr);
}

void unpermute_forward(const KernelCall& call) {
  gather_rows(call, call.array(0), call.array(3), call.floats(2));
}

void unpermute_backward(const KernelCall& call) {
  const auto& s = call.shape<PermuteShape>();
  const std::int32_t* row_of = call.integers(1);
  const float* weights = call.floats(2);
  float* d_weights = call.floats(5);
  const TypedArray dy = call.array(4);
  parallel_ranges(s.tokens, s.top_k * s.columns, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * s.columns);
    for (std::int64_t copy = range.first * s.top_k; copy < range.last * s.top_k; ++copy) {
      const std::int64_t row = row_of[copy] * s.columns;
      const float* d_out = call.array(3).read(copy / s.top_k * s.columns, s.columns, buffer.data());
      const float* y = call.array(0).read(row, s.columns, buffer.data() + s.columns);
      float* out = dy.target(row, buffer.data() + 2 * s.columns);
      scale_to(d_out, weights[copy], out, s.columns);
      dy.commit(row, s.columns, out);
      d_weights[copy] = dot(y, d_out, s.columns);
    }
  });
}

}  // namespace forerun::host
