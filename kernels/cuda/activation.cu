// SwiGLU and GELU, forward and backward, vectorised where the rows allow it.
#include "kernels/cuda/activation_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

__device__ float sigmoid(float x) {
  return 1.0F / (1.0F + __expf(-x));
}

constexpr float gelu_cubic = 0.044715F;
constexpr float sqrt_two_over_pi = 0.79788456080286536F;

__device__ float gelu(float u) {
  return 0.5F * u * (1.0F + tanhf(sqrt_two_over_pi * (u + gelu_cubic * u * u * u)));
}

__device__ float gelu_slope(float u) {
  const float t = tanhf(sqrt_two_over_pi * (u + gelu_cubic * u * u * u));
  const float inner_slope = sqrt_two_over_pi * (1.0F + 3.0F * gelu_cubic * u * u);
  return 0.5F * (1.0F + t) + 0.5F * u * (1.0F - t * t) * inner_slope;
}

/// Items are packs of `Width` outputs; `packs` of them make a row.
template <class T, int Width>
__global__ void swiglu_forward(const Pack<T, Width>* u,
                               Pack<T, Width>* y,
                               std::int64_t packs,
                               std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const std::int64_t gate_at = i / packs * 2 * packs + i % packs;
    const Pack<T, Width> gate = u[gate_at];
    const Pack<T, Width> up = u[gate_at + packs];
    Pack<T, Width> result;
    for (int k = 0; k < Width; ++k) {
      const float g = to_float(gate.values[k]);
      result.values[k] = from_float<T>(g * sigmoid(g) * to_float(up.values[k]));
    }
    y[i] = result;
  }
}

/// d_gate = dy up s (1 + g (1 - s)), d_up = dy g s, with s = sigmoid(g).
template <class T, int Width>
__global__ void swiglu_backward(const Pack<T, Width>* u,
                                const Pack<T, Width>* dy,
                                Pack<T, Width>* du,
                                std::int64_t packs,
                                std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const std::int64_t gate_at = i / packs * 2 * packs + i % packs;
    const Pack<T, Width> gate = u[gate_at];
    const Pack<T, Width> up = u[gate_at + packs];
    const Pack<T, Width> gradient = dy[i];
    Pack<T, Width> d_gate;
    Pack<T, Width> d_up;
    for (int k = 0; k < Width; ++k) {
      const float g = to_float(gate.values[k]);
      const float s = sigmoid(g);
      const float d = to_float(gradient.values[k]);
      d_gate.values[k] = from_float<T>(d * to_float(up.values[k]) * s * (1.0F + g * (1.0F - s)));
      d_up.values[k] = from_float<T>(d * g * s);
    }
    du[gate_at] = d_gate;
    du[gate_at + packs] = d_up;
  }
}

template <class T, int Width>
__global__ void gelu_forward(const Pack<T, Width>* u, Pack<T, Width>* y, std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    Pack<T, Width> pack = u[i];
    for (int k = 0; k < Width; ++k) {
      pack.values[k] = from_float<T>(gelu(to_float(pack.values[k])));
    }
    y[i] = pack;
  }
}

template <class T, int Width>
__global__ void gelu_backward(const Pack<T, Width>* u,
                              const Pack<T, Width>* dy,
                              Pack<T, Width>* du,
                              std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    Pack<T, Width> pack = u[i];
    const Pack<T, Width> gradient = dy[i];
    for (int k = 0; k < Width; ++k) {
      pack.values[k] =
          from_float<T>(to_float(gradient.values[k]) * gelu_slope(to_float(pack.values[k])));
    }
    du[i] = pack;
  }
}

template <class T, int Width>
const Pack<T, Width>* packs_of(const void* memory) {
  return static_cast<const Pack<T, Width>*>(memory);
}

template <class T, int Width>
Pack<T, Width>* packs_of(void* memory) {
  return static_cast<Pack<T, Width>*>(memory);
}

struct Arrays {
  const void* u;
  const void* dy;  ///< null: forward
  void* result;
};

/// The widest packs that the row length and the addresses allow: 16 bytes or one element.
template <class T>
bool can_be_wide(const ActivationSize& size, const Arrays& arrays) {
  return size.columns % wide<T> == 0 && is_aligned(arrays.u, 16) && is_aligned(arrays.dy, 16) &&
         is_aligned(arrays.result, 16);
}

template <class T, int Width>
void start_swiglu(cudaStream_t stream, const ActivationSize& size, const Arrays& arrays) {
  const std::int64_t packs = size.columns / Width;
  const std::int64_t items = size.rows * packs;
  const unsigned blocks = blocks_for(items);
  if (arrays.dy == nullptr) {
    swiglu_forward<T, Width><<<blocks, block_threads, 0, stream>>>(
        packs_of<T, Width>(arrays.u), packs_of<T, Width>(arrays.result), packs, items);
  } else {
    swiglu_backward<T, Width>
        <<<blocks, block_threads, 0, stream>>>(packs_of<T, Width>(arrays.u),
                                               packs_of<T, Width>(arrays.dy),
                                               packs_of<T, Width>(arrays.result),
                                               packs,
                                               items);
  }
}

template <class T, int Width>
void start_gelu(cudaStream_t stream, const ActivationSize& size, const Arrays& arrays) {
  const std::int64_t items = size.rows * size.columns / Width;
  const unsigned blocks = blocks_for(items);
  if (arrays.dy == nullptr) {
    gelu_forward<T, Width><<<blocks, block_threads, 0, stream>>>(
        packs_of<T, Width>(arrays.u), packs_of<T, Width>(arrays.result), items);
  } else {
    gelu_backward<T, Width><<<blocks, block_threads, 0, stream>>>(packs_of<T, Width>(arrays.u),
                                                                  packs_of<T, Width>(arrays.dy),
                                                                  packs_of<T, Width>(arrays.result),
                                                                  items);
  }
}

template <class T>
void start_swiglu(cudaStream_t stream, const ActivationSize& size, const Arrays& arrays) {
  if (can_be_wide<T>(size, arrays)) {
    start_swiglu<T, wide<T>>(stream, size, arrays);
  } else {
    start_swiglu<T, 1>(stream, size, arrays);
  }
}

template <class T>
void start_gelu(cudaStream_t stream, const ActivationSize& size, const Arrays& arrays) {
  if (can_be_wide<T>(size, arrays)) {
    start_gelu<T, wide<T>>(stream, size, arrays);
  } else {
    start_gelu<T, 1>(stream, size, arrays);
  }
}

void swiglu(cudaStream_t stream, const ActivationSize& size, const Arrays& arrays) {
  if (size.type == DataType::bf16) {
    start_swiglu<__nv_bfloat16>(stream, size, arrays);
  } else {
    start_swiglu<float>(stream, size, arrays);
  }
}

void gelu(cudaStream_t stream, const ActivationSize& size, const Arrays& arrays) {
  if (size.type == DataType::bf16) {
    start_gelu<__nv_bfloat16>(stream, size, arrays);
  } else {
    start_gelu<float>(stream, size, arrays);
  }
}

}  // namespace

void launch_swiglu_forward(cudaStream_t stream,
                           const ActivationSize& size,
                           const void* u,
                           void* y) {
  swiglu(stream, size, {u, nullptr, y});
}

void launch_swiglu_backward(
    cudaStream_t stream, const ActivationSize& size, const void* u, const void* dy, void* du) {
  swiglu(stream, size, {u, dy, du});
}

void launch_gelu_forward(cudaStream_t stream, const ActivationSize& size, const void* u, void* y) {
  gelu(stream, size, {u, nullptr, y});
}

void launch_gelu_backward(
    cudaStream_t stream, const ActivationSize& size, const void* u, const void* dy, void* du) {
  gelu(stream, size, {u, dy, du});
}

}  // namespace forerun::cuda
