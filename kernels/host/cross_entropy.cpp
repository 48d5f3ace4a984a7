// Softmax cross-entropy over the local part of the vocabulary, in three passes.
#include <algorithm>
#include <cmath>

#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/row_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION float sum_of_exponentials(const float* logits,
                                               float largest,
                                               std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    total += fast_exp_or_zero(logits[i] - largest);
  }
  return total;
}

FORERUN_MULTIVERSION void scaled_softmax(float* logits,
                                         float largest,
                                         float factor,
                                         std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    logits[i] = fast_exp_or_zero(logits[i] - largest) * factor;
  }
}

// Columns that stand for words: the table may be padded.
std::int64_t valid_columns(const KernelCall& call) {
  return std::clamp<std::int64_t>(call.scalars.valid, 0, call.shape<RowsShape>().columns);
}

// Whether the target's column lies here.
bool is_local(std::int64_t column, std::int64_t valid) {
  return column >= 0 && column < valid;
}

}  // namespace

void cross_entropy_max(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const std::int64_t valid = valid_columns(call);
  float* row_max = call.floats(1);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      row_max[row] = maximum(call.array(0).read(row * n, valid, buffer.data()), valid);
    }
  });
}

void cross_entropy_sum(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const std::int64_t valid = valid_columns(call);
  const float* row_max = call.floats(1);
  const std::int32_t* targets = call.integers(2);
  float* sums = call.floats(3);
  float* target_logits = sums + shape.rows;
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* logits = call.array(0).read(row * n, valid, buffer.data());
      const std::int64_t column = targets[row] - call.scalars.first;
      sums[row] = sum_of_exponentials(logits, row_max[row], valid);
      target_logits[row] = is_local(column, valid) ? logits[column] - row_max[row] : 0.0F;
    }
  });
}

void cross_entropy_gradient(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const std::int64_t valid = valid_columns(call);
  const TypedArray logits = call.array(0);
  const float* row_max = call.floats(1);
  const float* sums = call.floats(2);
  const std::int32_t* targets = call.integers(3);
  float* loss = call.floats(4);
  const auto scale = static_cast<float>(call.scalars.scale);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      float* gradient = logits.open(row * n, n, buffer.data());
      const std::int64_t column = targets[row] - call.scalars.first;
      scaled_softmax(gradient, row_max[row], scale / sums[row], valid);
      if (is_local(column, valid)) {
        gradient[column] -= scale;
      }
      std::fill_n(gradient + valid, n - valid, 0.0F);
      logits.commit(row * n, n, gradient);
      loss[row] = std::log(sums[row]) - sums[shape.rows + row];
    }
  });
}

}  // namespace forerun::host
