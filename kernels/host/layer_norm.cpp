// LayerNorm over rows.
#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/residual_sum.hpp"
#include "kernels/host/row_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

struct Moments {
  float mean = 0.0F;
  float rstd = 0.0F;
};

Moments moments_of(const float* x, std::int64_t count, double epsilon) {
  const auto n = static_cast<double>(count);
  const auto mean = static_cast<float>(static_cast<double>(sum(x, count)) / n);
  const double variance = static_cast<double>(sum_of_squares_about(mean, x, count)) / n;
  return {.mean = mean, .rstd = static_cast<float>(1.0 / std::sqrt(variance + epsilon))};
}

struct LayerNormRow {
  const float* x = nullptr;
  const float* weight = nullptr;
  Moments moments;
  std::int64_t count = 0;
};

FORERUN_MULTIVERSION void normalise(const LayerNormRow& row, const float* bias, float* y) {
  const float* x = row.x;
  const float* weight = row.weight;
  const float mean = row.moments.mean;
  const float rstd = row.moments.rstd;
#pragma omp simd
  for (std::int64_t i = 0; i < row.count; ++i) {
    y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
  }
}

// With h = (x - mean) rstd and g = dy w:
//   dx = rstd (g - mean(g) - h mean(g h)), d_weight += dy h, d_bias += dy.
struct LayerNormGradient {
  const float* dy = nullptr;
  float* dx = nullptr;
  float* d_weight = nullptr;
  float* d_bias = nullptr;
};

FORERUN_MULTIVERSION void differentiate(const LayerNormRow& row, const LayerNormGradient& out) {
  const float* x = row.x;
  const float* weight = row.weight;
  const float* dy = out.dy;
  const float mean = row.moments.mean;
  const float rstd = row.moments.rstd;
  float sum_g = 0.0F;
  float sum_gh = 0.0F;
#pragma omp simd reduction(+ : sum_g, sum_gh)
  for (std::int64_t i = 0; i < row.count; ++i) {
    const float g = dy[i] * weight[i];
    sum_g += g;
    sum_gh += g * (x[i] - mean) * rstd;
  }
  const auto n = static_cast<float>(row.count);
  const float mean_g = sum_g / n;
  const float mean_gh = sum_gh / n;
  float* dx = out.dx;
  float* d_weight = out.d_weight;
  float* d_bias = out.d_bias;
#pragma omp simd
  for (std::int64_t i = 0; i < row.count; ++i) {
    const float h = (x[i] - mean) * rstd;
    const float gradient = dy[i];
    dx[i] = rstd * (gradient * weight[i] - mean_g - h * mean_gh);
    d_weight[i] += gradient * h;
    d_bias[i] += gradient;
  }
}

// Operands of the plain kernel and of the one behind an addition, by position.
struct LayerOperands {
  bool has_sum{};  ///< x is formed here, from operands 0 and 1
  std::size_t x{};
  std::size_t weight{};
  std::optional<std::size_t> bias{};
  std::size_t y{};
  std::size_t stats{};
};

void layer_normalise_rows(const KernelCall& call, const LayerOperands& at) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(at.y);
  float* means = call.floats(at.stats);
  float* rstds = means + shape.rows;
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(6 * n);
    const float* weight = call.array(at.weight).read(0, n, buffer.data());
    std::fill_n(buffer.data() + n, n, 0.0F);
    const float* bias =
        at.bias ? call.array(*at.bias).read(0, n, buffer.data() + n) : buffer.data() + n;
    for (std::int64_t i = range.first; i < range.last; ++i) {
      const float* x = at.has_sum ? stored_sum(call, at.x, i, buffer.data() + 3 * n)
                                  : call.array(at.x).read(i * n, n, buffer.data() + 3 * n);
      const Moments moments = moments_of(x, n, call.scalars.norm_epsilon);
      means[i] = moments.mean;
      rstds[i] = moments.rstd;
      float* out = y.target(i * n, buffer.data() + 2 * n);
      normalise({.x = x, .weight = weight, .moments = moments, .count = n}, bias, out);
      y.commit(i * n, n, out);
    }
  });
}

// As for RMSNorm: operand 4 is the gradient that reaches the sum past the norm.
void layer_differentiate_rows(const KernelCall& call, bool has_sum, bool has_bias) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const float* means = call.floats(2);
  const float* rstds = means + shape.rows;
  const TypedArray dx = call.array(has_sum ? 5 : 4);
  ColumnSums d_weight(n);
  ColumnSums d_bias(n);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(5 * n);
    const float* weight = call.array(1).read(0, n, buffer.data());
    for (std::int64_t i = range.first; i < range.last; ++i) {
      const LayerNormRow row{.x = call.array(0).read(i * n, n, buffer.data() + n),
                             .weight = weight,
                             .moments = {.mean = means[i], .rstd = rstds[i]},
                             .count = n};
      const LayerNormGradient out{.dy = call.array(3).read(i * n, n, buffer.data() + 2 * n),
                                  .dx = dx.target(i * n, buffer.data() + 3 * n),
                                  .d_weight = d_weight.of(range.thread),
                                  .d_bias = d_bias.of(range.thread)};
      differentiate(row, out);
      if (has_sum) {
        accumulate(call.array(4).read(i * n, n, buffer.data() + 4 * n), out.dx, n);
      }
      dx.commit(i * n, n, out.dx);
    }
  });
  d_weight.add_to(call.floats(has_sum ? 6 : 5));
  if (has_bias) {
    d_bias.add_to(call.floats(has_sum ? 7 : 6));
  }
}

}  // namespace

void layer_norm_forward(const KernelCall& call) {
  layer_normalise_rows(call,
                       {.has_sum = false, .x = 0, .weight = 1, .bias = 2, .y = 3, .stats = 4});
}

void add_layer_norm_forward(const KernelCall& call) {
  layer_normalise_rows(call, {.has_sum = true, .x = 4, .weight = 2, .bias = 3, .y = 5, .stats = 6});
}

void layer_norm_nobias_forward(const KernelCall& call) {
  layer_normalise_rows(call,
                       {.has_sum = false, .x = 0, .weight = 1, .bias = {}, .y = 2, .stats = 3});
}

void layer_norm_backward(const KernelCall& call) {
  layer_differentiate_rows(call, false, true);
}

void add_layer_norm_backward(const KernelCall& call) {
  layer_differentiate_rows(call, true, true);
}

void layer_norm_nobias_backward(const KernelCall& call) {
  layer_differentiate_rows(call, false, false);
}

}  // namespace forerun::host
