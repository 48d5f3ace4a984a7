// One query a sequence against its cache: bound by how fast keys and values are read.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/host/decode_kernels.hpp"
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "units/integer.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// Positions of which the scores are kept: keys and values of a piece stay in the second-level
// cache.
constexpr std::int64_t piece = 64;

// The products of one query with `count` keys of `size` floats each; four sums at once, because one
// alone waits for its own additions.
FORERUN_MULTIVERSION void multiply(
    const float* query, const float* keys, std::int64_t size, std::int64_t count, float* scores) {
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const float* a = keys + i * size;
    const float* b = a + size;
    const float* c = b + size;
    const float* d = c + size;
    float of_a = 0.0F;
    float of_b = 0.0F;
    float of_c = 0.0F;
    float of_d = 0.0F;
#pragma omp simd reduction(+ : of_a, of_b, of_c, of_d)
    for (std::int64_t j = 0; j < size; ++j) {
      of_a += query[j] * a[j];
      of_b += query[j] * b[j];
      of_c += query[j] * c[j];
      of_d += query[j] * d[j];
    }
    scores[i] = of_a;
    scores[i + 1] = of_b;
    scores[i + 2] = of_c;
    scores[i + 3] = of_d;
  }
  for (; i < count; ++i) {
    const float* key = keys + i * size;
    float total = 0.0F;
#pragma omp simd reduction(+ : total)
    for (std::int64_t j = 0; j < size; ++j) {
      total += query[j] * key[j];
    }
    scores[i] = total;
  }
}

// Rows of `size` floats, each `stride` after the one before.
struct Rows {
  const float* first;
  std::int64_t size;
  std::int64_t stride;
};

// out += the sum of `count` rows, weighted; four at a time, so that `out` is touched less.
FORERUN_MULTIVERSION void add_weighted(const Rows& rows,
                                       const float* weights,
                                       std::int64_t count,
                                       float* out) {
  const std::int64_t size = rows.size;
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const float* a = rows.first + i * rows.stride;
    const float* b = a + rows.stride;
    const float* c = b + rows.stride;
    const float* d = c + rows.stride;
    const float* w = weights + i;
#pragma omp simd
    for (std::int64_t j = 0; j < size; ++j) {
      out[j] += (w[0] * a[j] + w[1] * b[j]) + (w[2] * c[j] + w[3] * d[j]);
    }
  }
  for (; i < count; ++i) {
    const float weight = weights[i];
    const float* v = rows.first + i * rows.stride;
#pragma omp simd
    for (std::int64_t j = 0; j < size; ++j) {
      out[j] += weight * v[j];
    }
  }
}

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

// What one part of the cache says about one query: an output relative to its own maximum.
struct Partial {
  float largest = -std::numeric_limits<float>::infinity();
  float sum = 0.0F;
  float* out = nullptr;  ///< [value_size]
};

// All query heads of one key head over positions [first, last) of its cache.
class CachePart {
 public:
  CachePart(const KernelCall& call, std::int64_t key_head, std::vector<Partial>& partials)
      : call_(call),
        s_(call.shape<DecodeShape>()),
        key_head_(key_head),
        group_(s_.heads / s_.kv_heads),
        v_(value_size(s_)),
        shares_rows_(call.key.op == KernelOp::latent_decode_attention),
        buffer_(group_ * s_.head_size + piece * (s_.head_size + v_ + 1)),
        partials_(partials) {
    queries_ = buffer_.data();
    keys_ = queries_ + group_ * s_.head_size;
    values_ = keys_ + piece * s_.head_size;
    scores_ = values_ + piece * v_;
    call.array(0).read_into(queries_, key_head * group_ * s_.head_size, group_ * s_.head_size);
    scale_run(queries_,
              static_cast<float>(1.0 / std::sqrt(static_cast<double>(s_.head_size))),
              group_ * s_.head_size);
  }

  void run(std::int64_t first, std::int64_t last) {
    for (std::int64_t start = first; start < last; start += piece) {
      run_piece(start, std::min(piece, last - start));
    }
  }

 private:
  void run_piece(std::int64_t start, std::int64_t count) {
    const std::int64_t e = s_.head_size;
    const std::int64_t first = key_head_ * s_.context + start;
    const float* keys = call_.array(1).read(first * e, count * e, keys_);
    const Rows values = shares_rows_
                            ? Rows{keys, v_, e}
                            : Rows{call_.array(2).read(first * v_, count * v_, values_), v_, v_};
    for (std::int64_t head = 0; head < group_; ++head) {
      Partial& partial = partials_[static_cast<std::size_t>(head)];
      multiply(queries_ + head * e, keys, e, count, scores_);
      const float largest = std::max(partial.largest, maximum(scores_, count));
      if (largest > partial.largest) {
        const float correction = fast_exp_or_zero(partial.largest - largest);
        partial.sum *= correction;
        scale_run(partial.out, correction, v_);
        partial.largest = largest;
      }
      partial.sum += exponentiate(scores_, largest, count);
      add_weighted(values, scores_, count, partial.out);
    }
  }

  const KernelCall& call_;
  const DecodeShape& s_;
  std::int64_t key_head_;
  std::int64_t group_;
  std::int64_t v_;
  bool shares_rows_;  ///< a value is the front of its key
  RunBuffer buffer_;
  std::vector<Partial>& partials_;
  float* queries_ = nullptr;  // [group x head_size], times 1 / sqrt(head_size)
  float* keys_ = nullptr;     // [piece x head_size], where they are not fp32 in memory
  float* values_ = nullptr;   // [piece x value_size]
  float* scores_ = nullptr;   // [piece]
};

}  // namespace

// Threads share out parts of caches; every cache has as many parts as it takes to occupy them all.
void decode_attention(const KernelCall& call) {
  const auto& s = call.shape<DecodeShape>();
  const std::int64_t group = s.heads / s.kv_heads;
  const std::int64_t v = value_size(s);
  const std::int64_t caches = s.batch * s.kv_heads;
  const std::int64_t threads = omp_get_max_threads();
  const std::int64_t parts = std::clamp<std::int64_t>(ceil_div(threads, caches), 1, s.context);
  std::vector<float> outs(static_cast<std::size_t>(caches * parts * group * v), 0.0F);
  std::vector<std::vector<Partial>> partials(static_cast<std::size_t>(caches * parts),
                                             std::vector<Partial>(static_cast<std::size_t>(group)));
  parallel_ranges(
      caches * parts, s.context / parts * (s.head_size + v), [&](const ThreadRange& range) {
        for (std::int64_t item = range.first; item < range.last; ++item) {
          auto& mine = partials[static_cast<std::size_t>(item)];
          for (std::int64_t head = 0; head < group; ++head) {
            mine[static_cast<std::size_t>(head)].out = outs.data() + (item * group + head) * v;
          }
          const std::int64_t part = item % parts;
          CachePart(call, item / parts, mine)
              .run(s.context * part / parts, s.context * (part + 1) / parts);
        }
      });
  const auto out = call.array(call.key.op == KernelOp::latent_decode_attention ? 2 : 3);
  for (std::int64_t head = 0; head < caches * group; ++head) {
    const std::int64_t cache = head / group;
    Partial total =
        partials[static_cast<std::size_t>(cache * parts)][static_cast<std::size_t>(head % group)];
    for (std::int64_t part = 1; part < parts; ++part) {
      const Partial& other = partials[static_cast<std::size_t>(cache * parts + part)]
                                     [static_cast<std::size_t>(head % group)];
      const float largest = std::max(total.largest, other.largest);
      const float keep = fast_exp_or_zero(total.largest - largest);
      const float add = fast_exp_or_zero(other.largest - largest);
      scale_run(total.out, keep, v);
      add_weighted({other.out, v, v}, &add, 1, total.out);
      total.sum = total.sum * keep + other.sum * add;
      total.largest = largest;
    }
    scale_run(total.out, 1.0F / total.sum, v);
    out.commit(head * v, v, total.out);
  }
}

}  // namespace forerun::host
