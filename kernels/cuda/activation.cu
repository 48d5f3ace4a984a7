// The activations between the two matrices of an MLP and the cap on logits, forward and backward,
// vectorised where the rows allow it.
#include <cuda_bf16.h>

#include "kernels/cuda/activation_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

// Functions of one number: their value and their slope.

struct Silu {
  __device__ float value(float x) const { return x * sigmoid(x); }

  __device__ float slope(float x) const {
    const float s = sigmoid(x);
    return s * (1.0F + x * (1.0F - s));
  }
};

struct Gelu {
  static constexpr float cubic = 0.044715F;
  static constexpr float root_two_over_pi = 0.79788456080286536F;

  __device__ static float bend(float x) {
    return tanhf(root_two_over_pi * (x + cubic * x * x * x));
  }

  __device__ float value(float x) const { return 0.5F * x * (1.0F + bend(x)); }

  __device__ float slope(float x) const {
    const float t = bend(x);
    const float inner_slope = root_two_over_pi * (1.0F + 3.0F * cubic * x * x);
    return 0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * inner_slope;
  }
};

struct Relu {
  __device__ float value(float x) const { return fmaxf(x, 0.0F); }

  __device__ float slope(float x) const { return x > 0.0F ? 1.0F : 0.0F; }
};

struct ReluSquared {
  __device__ float value(float x) const { return x > 0.0F ? x * x : 0.0F; }

  __device__ float slope(float x) const { return x > 0.0F ? 2.0F * x : 0.0F; }
};

struct Softcap {
  float cap;

  __device__ float value(float x) const { return cap * tanhf(x / cap); }

  __device__ float slope(float x) const {
    const float t = tanhf(x / cap);
    return 1.0F - t * t;
  }
};

/// What a kernel reads and writes, as packs of `Width` elements.
template <class T, int Width>
struct Packed {
  const Pack<T, Width>* u;
  const Pack<T, Width>* bias;  ///< null: none
  const Pack<T, Width>* dy;    ///< null: forward
  Pack<T, Width>* result;
  std::int64_t row;  ///< packs of a row of outputs
  std::int64_t items;
};

/// f(u + bias), or dy f'(u + bias).
template <class T, int Width, class Function>
__global__ void activate(Function f, Packed<T, Width> at) {
  for (std::int64_t i = first_item(); i < at.items; i += item_stride()) {
    const Pack<T, Width> u = at.u[i];
    Pack<T, Width> bias{};
    if (at.bias != nullptr) {
      bias = at.bias[i % at.row];
    }
    Pack<T, Width> dy{};
    if (at.dy != nullptr) {
      dy = at.dy[i];
    }
    Pack<T, Width> result;
    for (int k = 0; k < Width; ++k) {
      const float x = to_float(u.values[k]) + to_float(bias.values[k]);
      result.values[k] =
          from_float<T>(at.dy == nullptr ? f.value(x) : to_float(dy.values[k]) * f.slope(x));
    }
    at.result[i] = result;
  }
}

/// f(gate) up of rows [gate|up].
template <class T, int Width, class Function>
__global__ void gate_forward(Function f, Packed<T, Width> at) {
  for (std::int64_t i = first_item(); i < at.items; i += item_stride()) {
    const std::int64_t gate_at = i / at.row * 2 * at.row + i % at.row;
    const Pack<T, Width> gate = at.u[gate_at];
    const Pack<T, Width> up = at.u[gate_at + at.row];
    Pack<T, Width> result;
    for (int k = 0; k < Width; ++k) {
      result.values[k] = from_float<T>(f.value(to_float(gate.values[k])) * to_float(up.values[k]));
    }
    at.result[i] = result;
  }
}

/// d_gate = dy up f'(gate), d_up = dy f(gate).
template <class T, int Width, class Function>
__global__ void gate_backward(Function f, Packed<T, Width> at) {
  for (std::int64_t i = first_item(); i < at.items; i += item_stride()) {
    const std::int64_t gate_at = i / at.row * 2 * at.row + i % at.row;
    const Pack<T, Width> gate = at.u[gate_at];
    const Pack<T, Width> up = at.u[gate_at + at.row];
    const Pack<T, Width> dy = at.dy[i];
    Pack<T, Width> d_gate;
    Pack<T, Width> d_up;
    for (int k = 0; k < Width; ++k) {
      const float g = to_float(gate.values[k]);
      const float d = to_float(dy.values[k]);
      d_gate.values[k] = from_float<T>(d * to_float(up.values[k]) * f.slope(g));
      d_up.values[k] = from_float<T>(d * f.value(g));
    }
    at.result[gate_at] = d_gate;
    at.result[gate_at + at.row] = d_up;
  }
}

template <class T, int Width, class Function>
void start(cudaStream_t stream,
           const ActivationSize& size,
           const ActivationOperands& operands,
           Function f,
           bool is_gated) {
  const std::int64_t row = size.columns / Width;
  const Packed<T, Width> at{.u = packs_of<T, Width>(operands.u),
                            .bias = packs_of<T, Width>(operands.bias),
                            .dy = packs_of<T, Width>(operands.dy),
                            .result = packs_of<T, Width>(operands.result),
                            .row = row,
                            .items = size.rows * row};
  const LaunchShape shape{blocks_for(at.items), block_threads};
  if (!is_gated) {
    launch(stream, shape, activate<T, Width, Function>, f, at);
  } else if (operands.dy == nullptr) {
    launch(stream, shape, gate_forward<T, Width, Function>, f, at);
  } else {
    launch(stream, shape, gate_backward<T, Width, Function>, f, at);
  }
}

template <class T, class Function>
void start(cudaStream_t stream,
           const ActivationSize& size,
           const ActivationOperands& operands,
           Function f,
           bool is_gated) {
  const bool is_wide =
      takes_packs<T>(size.columns, {operands.u, operands.bias, operands.dy, operands.result});
  if (is_wide) {
    start<T, wide<T>>(stream, size, operands, f, is_gated);
  } else {
    start<T, 1>(stream, size, operands, f, is_gated);
  }
}

template <class Function>
void start(cudaStream_t stream,
           const ActivationSize& size,
           const ActivationOperands& operands,
           Function f,
           bool is_gated) {
  if (size.type == DataType::bf16) {
    start<__nv_bfloat16>(stream, size, operands, f, is_gated);
  } else {
    start<float>(stream, size, operands, f, is_gated);
  }
}

}  // namespace

void launch_activation(cudaStream_t stream,
                       Activation activation,
                       const ActivationSize& size,
                       const ActivationOperands& operands) {
  switch (activation) {
    case Activation::swiglu:
      return start(stream, size, operands, Silu{}, true);
    case Activation::geglu:
      return start(stream, size, operands, Gelu{}, true);
    case Activation::gelu:
      return start(stream, size, operands, Gelu{}, false);
    case Activation::relu_squared:
      return start(stream, size, operands, ReluSquared{}, false);
    case Activation::relu:
      return start(stream, size, operands, Relu{}, false);
    case Activation::softcap:
      return start(stream, size, operands, Softcap{size.cap}, false);
  }
}

}  // namespace forerun::cuda
