// The activations between the two matrices of an MLP, and the cap on logits.
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/gelu.hpp"
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

// GELU of the gate: d_gate = dy up gelu'(gate), d_up = dy gelu(gate).
FORERUN_MULTIVERSION void gelu_gate(const float* u, float* y, std::int64_t count) {
  const float* up = u + count;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = u[i];
    const float t = fast_tanh(root_two_over_pi * x * (1.0F + cubic * x * x));
    y[i] = 0.5F * x * (1.0F + t) * up[i];
  }
}

FORERUN_MULTIVERSION void gelu_gate_gradient(const float* u,
                                             const float* dy,
                                             float* du,
                                             std::int64_t count) {
  const float* up = u + count;
  float* d_up = du + count;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = u[i];
    const float t = fast_tanh(root_two_over_pi * x * (1.0F + cubic * x * x));
    const float inner_slope = root_two_over_pi * (1.0F + 3.0F * cubic * x * x);
    const float half = 0.5F * (1.0F + t);
    du[i] = dy[i] * up[i] * (half + 0.5F * x * (1.0F - t * t) * inner_slope);
    d_up[i] = dy[i] * x * half;
  }
}

FORERUN_MULTIVERSION void relu(const float* u, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = u[i] > 0.0F ? u[i] : 0.0F;
  }
}

FORERUN_MULTIVERSION void relu_gradient(const float* u,
                                        const float* dy,
                                        float* du,
                                        std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    du[i] = u[i] > 0.0F ? dy[i] : 0.0F;
  }
}

FORERUN_MULTIVERSION void relu_squared(const float* u, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = u[i] > 0.0F ? u[i] * u[i] : 0.0F;
  }
}

FORERUN_MULTIVERSION void relu_squared_gradient(const float* u,
                                                const float* dy,
                                                float* du,
                                                std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    du[i] = u[i] > 0.0F ? 2.0F * u[i] * dy[i] : 0.0F;
  }
}

FORERUN_MULTIVERSION void cap_run(const float* x, float* y, float cap, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = cap * relative_tanh(x[i] / cap);
  }
}

// `dx` may be `dy`.
FORERUN_MULTIVERSION void cap_gradient(
    const float* x, const float* dy, float* dx, float cap, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float t = relative_tanh(x[i] / cap);
    dx[i] = dy[i] * (1.0F - t * t);
  }
}

// Rows of u, `inputs` times as wide as those of y, one after the other.
template <class Function>
void activate_rows(const KernelCall& call, std::int64_t inputs, Function function) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(1);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer((inputs + 1) * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * inputs * n, inputs * n, buffer.data());
      float* out = y.target(row * n, buffer.data() + inputs * n);
      function(u, out, n);
      y.commit(row * n, n, out);
    }
  });
}

template <class Function>
void differentiate_rows(const KernelCall& call, std::int64_t inputs, Function function) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray du = call.array(2);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer((2 * inputs + 1) * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* u = call.array(0).read(row * inputs * n, inputs * n, buffer.data());
      const float* dy = call.array(1).read(row * n, n, buffer.data() + inputs * n);
      float* out = du.target(row * inputs * n, buffer.data() + (inputs + 1) * n);
      function(u, dy, out, n);
      du.commit(row * inputs * n, inputs * n, out);
    }
  });
}

}  // namespace

void swiglu_forward(const KernelCall& call) {
  activate_rows(call, 2, gate);
}

void swiglu_backward(const KernelCall& call) {
  differentiate_rows(call, 2, gate_gradient);
}

void gelu_forward(const KernelCall& call) {
  activate_rows(call, 1, gelu);
}

void gelu_backward(const KernelCall& call) {
  differentiate_rows(call, 1, gelu_gradient);
}

void geglu_forward(const KernelCall& call) {
  activate_rows(call, 2, gelu_gate);
}

void geglu_backward(const KernelCall& call) {
  differentiate_rows(call, 2, gelu_gate_gradient);
}

void relu_forward(const KernelCall& call) {
  activate_rows(call, 1, relu);
}

void relu_backward(const KernelCall& call) {
  differentiate_rows(call, 1, relu_gradient);
}

void relu_squared_forward(const KernelCall& call) {
  activate_rows(call, 1, relu_squared);
}

void relu_squared_backward(const KernelCall& call) {
  differentiate_rows(call, 1, relu_squared_gradient);
}

void softcap_forward(const KernelCall& call) {
  const auto cap = static_cast<float>(call.scalars.softcap);
  activate_rows(
      call, 1, [cap](const float* x, float* y, std::int64_t n) { cap_run(x, y, cap, n); });
}

void softcap_backward(const KernelCall& call) {
  const auto cap = static_cast<float>(call.scalars.softcap);
  differentiate_rows(call, 1, [cap](const float* x, const float* dy, float* dx, std::int64_t n) {
    cap_gradient(x, dy, dx, cap, n);
  });
}

}  // namespace forerun::host
