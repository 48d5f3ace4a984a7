// The activations between the two matrices of an MLP: SwiGLU and GELU (tanh form).
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/row_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION void gate(const float* u, float* y, std::int64_t count) {
  const float* up = u + count;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = u[i] * fast_sigmoid(u[i]) * up[i];
  }
}

// With s = sigmoid(gate): silu' = s + silu (1 - s).
FORERUN_MULTIVERSION void gate_gradient(const float* u,
                                        const float* dy,
                                        float* du,
                                        std::int64_t count) {
  const float* up = u + count;
  float* d_up = du + count;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float s = fast_sigmoid(u[i]);
    const float silu = u[i] * s;
    du[i] = dy[i] * up[i] * (s + silu * (1.0F - s));
    d_up[i] = dy[i] * silu;
  }
}

constexpr float root_two_over_pi = 0.797884560802865356F;
constexpr float cubic = 0.044715F;

FORERUN_MULTIVERSION void gelu(const float* u, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = u[i];
    const float t = fast_tanh(root_two_over_pi * x * (1.0F + cubic * x * x));
    y[i] = 0.5F * x * (1.0F + t);
  }
}

FORERUN_MULTIVERSION void gelu_gradient(const float* u,
                                        const float* dy,
                                        float* du,
                                        std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = u[i];
    const float t = fast_tanh(root_two_over_pi * x * (1.0F + cubic * x * x));
    const float inner_slope = root_two_over_pi * (1.0F + 3.0F * cubic * x * x);
    du[i] = dy[i] * (0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * inner_slope);
  }
}

}  // namespace

void swiglu_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(1);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * 2 * n, 2 * n, buffer.data());
      float* out = y.target(row * n, buffer.data() + 2 * n);
      gate(u, out, n);
      y.commit(row * n, n, out);
    }
  });
}

void swiglu_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray du = call.array(2);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(5 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * 2 * n, 2 * n, buffer.data());
      const float* dy = call.array(1).read(row * n, n, buffer.data() + 2 * n);
      float* out = du.target(row * 2 * n, buffer.data() + 3 * n);
      gate_gradient(u, dy, out, n);
      du.commit(row * 2 * n, 2 * n, out);
    }
  });
}

void gelu_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(1);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * n, n, buffer.data());
      float* out = y.target(row * n, buffer.data() + n);
      gelu(u, out, n);
      y.commit(row * n, n, out);
    }
  });
}

void gelu_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray du = call.array(2);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * n, n, buffer.data());
      const float* dy = call.array(1).read(row * n, n, buffer.data() + n);
      float* out = du.target(row * n, buffer.data() + 2 * n);
      gelu_gradient(u, dy, out, n);
      du.commit(row * n, n, out);
    }
  });
}

}  // namespace forerun::host
