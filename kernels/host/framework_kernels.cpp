// Kernels that only some frameworks launch: stored softmax, dropout, fused biases, gradients that
// are widened, accumulated, measured and scaled on their own.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/dropout_draw.hpp"
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/gelu.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/row_kernels.hpp"
#include "kernels/host/unfused_attention.hpp"
#include "units/integer.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

constexpr std::int64_t run_length = 4096;  // elements of a flat array that are converted at once

// Calls `body(first, count, buffer)` for runs of a flat array.
template <class Body>
void for_each_run(std::int64_t elements, const Body& body) {
  const std::int64_t runs = ceil_div(elements, run_length);
  parallel_ranges(runs, run_length, [&](const ThreadRange& range) {
    const RunBuffer buffer(run_length);
    for (std::int64_t run = range.first; run < range.last; ++run) {
      const std::int64_t first = run * run_length;
      body(first, std::min(run_length, elements - first), buffer.data());
    }
  });
}

FORERUN_MULTIVERSION void soften(float* x, float scale, float largest, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    x[i] = fast_exp_or_zero(scale * (x[i] - largest));
    total += x[i];
  }
  const float inverse = 1.0F / total;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    x[i] *= inverse;
  }
}

FORERUN_MULTIVERSION void softmax_gradient(
    const float* p, const float* dp, float* ds, float scale, std::int64_t count) {
  float projection = 0.0F;
#pragma omp simd reduction(+ : projection)
  for (std::int64_t i = 0; i < count; ++i) {
    projection += p[i] * dp[i];
  }
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    ds[i] = scale * p[i] * (dp[i] - projection);
  }
}

// Keeps, scales and records `count` elements from `first` on.
void drop(const KernelScalars& scalars,
          std::int64_t first,
          float* values,
          std::uint8_t* mask,
          std::int64_t count) {
  const auto keep = static_cast<float>(scalars.keep);
  for (std::int64_t i = 0; i < count; ++i) {
    const bool is_kept = dropout_draw(scalars.dropout_seed, first + i) < keep;
    mask[first + i] = is_kept ? 1 : 0;
    values[i] = is_kept ? values[i] / keep : 0.0F;
  }
}

FORERUN_MULTIVERSION void biased_gelu(const float* u,
                                      const float* bias,
                                      float* y,
                                      std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = u[i] + bias[i];
    y[i] = 0.5F * x * (1.0F + fast_tanh(root_two_over_pi * x * (1.0F + cubic * x * x)));
  }
}

FORERUN_MULTIVERSION void biased_gelu_gradient(
    const float* u, const float* bias, const float* dy, float* du, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = u[i] + bias[i];
    const float t = fast_tanh(root_two_over_pi * x * (1.0F + cubic * x * x));
    const float inner_slope = root_two_over_pi * (1.0F + 3.0F * cubic * x * x);
    du[i] = dy[i] * (0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * inner_slope);
  }
}

}  // namespace

void softmax_forward(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  const std::int64_t n = key_length(shape);
  const TypedArray out = call.array(1);
  parallel_ranges(shape.batch * shape.heads * shape.length, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const auto [first, last] = visible_keys(shape, row % shape.length);
      float* values = out.target(row * n, buffer.data());
      call.array(0).read_into(values, row * n, n);
      if (first < last) {
        const float largest = maximum(values + first, last - first);
        soften(values + first, score_scale(shape), largest, last - first);
      }
      std::fill(values, values + std::min(first, last), 0.0F);
      std::fill(values + std::max(first, last), values + n, 0.0F);
      if (first >= last) {
        std::fill(values, values + n, 0.0F);
      }
      out.commit(row * n, n, values);
    }
  });
}

void softmax_backward(const KernelCall& call) {
  const auto& shape = call.shape<AttentionKeyShape>();
  const std::int64_t n = key_length(shape);
  const TypedArray out = call.array(2);
  parallel_ranges(shape.batch * shape.heads * shape.length, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* p = call.array(0).read(row * n, n, buffer.data());
      const float* dp = call.array(1).read(row * n, n, buffer.data() + n);
      float* ds = out.target(row * n, buffer.data() + 2 * n);
      softmax_gradient(p, dp, ds, score_scale(shape), n);
      out.commit(row * n, n, ds);
    }
  });
}

void dropout_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const TypedArray y = call.array(1);
  auto* const mask = static_cast<std::uint8_t*>(call.operands[2]);
  for_each_run(shape.rows * shape.columns, [&](auto first, auto count, float* buffer) {
    float* values = y.target(first, buffer);
    call.array(0).read_into(values, first, count);
    drop(call.scalars, first, values, mask, count);
    y.commit(first, count, values);
  });
}

void dropout_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const TypedArray dx = call.array(2);
  const auto* const mask = static_cast<const std::uint8_t*>(call.operands[1]);
  const auto inverse = static_cast<float>(1.0 / call.scalars.keep);
  for_each_run(shape.rows * shape.columns, [&](auto first, auto count, float* buffer) {
    float* values = dx.target(first, buffer);
    call.array(0).read_into(values, first, count);
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = mask[first + i] != 0 ? values[i] * inverse : 0.0F;
    }
    dx.commit(first, count, values);
  });
}

void bias_dropout_add_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(3);
  auto* const mask = static_cast<std::uint8_t*>(call.operands[4]);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    const float* bias = call.array(1).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      float* values = y.target(row * n, buffer.data() + n);
      call.array(0).read_into(values, row * n, n);
      accumulate(bias, values, n);
      drop(call.scalars, row * n, values, mask, n);
      accumulate(call.array(2).read(row * n, n, buffer.data() + 2 * n), values, n);
      y.commit(row * n, n, values);
    }
  });
}

void bias_gelu_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(2);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    const float* bias = call.array(1).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * n, n, buffer.data() + n);
      float* out = y.target(row * n, buffer.data() + 2 * n);
      biased_gelu(u, bias, out, n);
      y.commit(row * n, n, out);
    }
  });
}

void bias_gelu_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray du = call.array(3);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(4 * n);
    const float* bias = call.array(1).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * n, n, buffer.data() + n);
      const float* dy = call.array(2).read(row * n, n, buffer.data() + 2 * n);
      float* out = du.target(row * n, buffer.data() + 3 * n);
      biased_gelu_gradient(u, bias, dy, out, n);
      du.commit(row * n, n, out);
    }
  });
}

void widen(const KernelCall& call) {
  for_each_run(call.shape<FlatShape>().elements, [&](auto first, auto count, float* /*buffer*/) {
    call.array(0).read_into(call.floats(1) + first, first, count);
  });
}

void narrow(const KernelCall& call) {
  for_each_run(call.shape<FlatShape>().elements, [&](auto first, auto count, float* buffer) {
    const TypedArray to = call.array(1);
    float* values = to.target(first, buffer);
    std::copy_n(call.floats(0) + first, count, values);
    to.commit(first, count, values);
  });
}

void accumulate_gradient(const KernelCall& call) {
  for_each_run(call.shape<FlatShape>().elements, [&](auto first, auto count, float* buffer) {
    accumulate(call.array(0).read(first, count, buffer), call.floats(1) + first, count);
  });
}

// One partial sum a run, added in order, so that any number of threads gives the same.
void square_sum(const KernelCall& call) {
  const std::int64_t elements = call.shape<FlatShape>().elements;
  std::vector<double> partial(static_cast<std::size_t>(ceil_div(elements, run_length)));
  for_each_run(elements, [&](auto first, auto count, float* buffer) {
    const float* x = call.array(0).read(first, count, buffer);
    double sum = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    partial[static_cast<std::size_t>(first / run_length)] = sum;
  });
  auto total = static_cast<double>(*call.floats(1));
  for (const double sum : partial) {
    total += sum;
  }
  *call.floats(1) = static_cast<float>(total);
}

void scale(const KernelCall& call) {
  const auto factor = static_cast<float>(call.scalars.scale);
  for_each_run(call.shape<FlatShape>().elements, [&](auto first, auto count, float* buffer) {
    const TypedArray x = call.array(0);
    float* values = x.open(first, count, buffer);
    scale_run(values, factor, count);
    x.commit(first, count, values);
  });
}

}  // namespace forerun::host
