// Dropout, alone or between a bias and a residual sum, vectorised where the rows allow it.
#include <cuda_bf16.h>

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/dropout_launch.hpp"
#include "kernels/dropout_draw.hpp"

namespace forerun::cuda {

namespace {

template <int Width>
using MaskPack = Pack<std::uint8_t, Width>;

/// Items are packs of `Width` elements, `row` of them in a row.
template <class T, int Width>
__global__ void drop(DropoutForward operands, std::int64_t row, std::int64_t items) {
  const auto* x = packs_of<T, Width>(operands.x);
  const auto* bias = packs_of<T, Width>(operands.bias);
  const auto* residual = packs_of<T, Width>(operands.residual);
  auto* y = packs_of<T, Width>(operands.y);
  auto* mask = reinterpret_cast<MaskPack<Width>*>(operands.mask);
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const Pack<T, Width> value = x[i];
    Pack<T, Width> added{};
    if (bias != nullptr) {
      added = bias[i % row];
    }
    Pack<T, Width> past{};
    if (residual != nullptr) {
      past = residual[i];
    }
    Pack<T, Width> result;
    MaskPack<Width> kept;
    for (int k = 0; k < Width; ++k) {
      const bool is_kept = dropout_draw(operands.seed, i * Width + k) < operands.keep;
      const float sum = to_float(value.values[k]) + to_float(added.values[k]);
      kept.values[k] = is_kept ? 1 : 0;
      result.values[k] =
          from_float<T>((is_kept ? sum / operands.keep : 0.0F) + to_float(past.values[k]));
    }
    y[i] = result;
    mask[i] = kept;
  }
}

template <class T, int Width>
__global__ void drop_gradient(DropoutBackward operands, float inverse, std::int64_t items) {
  const auto* dy = packs_of<T, Width>(operands.dy);
  const auto* mask = reinterpret_cast<const MaskPack<Width>*>(operands.mask);
  auto* dx = packs_of<T, Width>(operands.dx);
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const Pack<T, Width> gradient = dy[i];
    const MaskPack<Width> kept = mask[i];
    Pack<T, Width> result;
    for (int k = 0; k < Width; ++k) {
      result.values[k] =
          from_float<T>(kept.values[k] != 0 ? to_float(gradient.values[k]) * inverse : 0.0F);
    }
    dx[i] = result;
  }
}

template <class T, int Width>
void start_forward(cudaStream_t stream, const DropoutSize& size, const DropoutForward& operands) {
  const std::int64_t row = size.columns / Width;
  const std::int64_t items = size.rows * row;
  launch(stream, {blocks_for(items), block_threads}, drop<T, Width>, operands, row, items);
}

template <class T, int Width>
void start_backward(cudaStream_t stream, const DropoutSize& size, const DropoutBackward& operands) {
  const std::int64_t items = size.rows * size.columns / Width;
  launch(stream,
         {blocks_for(items), block_threads},
         drop_gradient<T, Width>,
         operands,
         1.0F / operands.keep,
         items);
}

template <class T>
void start(cudaStream_t stream, const DropoutSize& size, const DropoutForward& operands) {
  const bool is_wide = takes_packs<T>(
      size.columns, {operands.x, operands.bias, operands.residual, operands.y, operands.mask});
  if (is_wide) {
    start_forward<T, wide<T>>(stream, size, operands);
  } else {
    start_forward<T, 1>(stream, size, operands);
  }
}

template <class T>
void start(cudaStream_t stream, const DropoutSize& size, const DropoutBackward& operands) {
  if (takes_packs<T>(size.columns, {operands.dy, operands.mask, operands.dx})) {
    start_backward<T, wide<T>>(stream, size, operands);
  } else {
    start_backward<T, 1>(stream, size, operands);
  }
}

template <class Operands>
void start_typed(cudaStream_t stream, const DropoutSize& size, const Operands& operands) {
  if (size.type == DataType::bf16) {
    start<__nv_bfloat16>(stream, size, operands);
  } else {
    start<float>(stream, size, operands);
  }
}

}  // namespace

void launch_dropout_forward(cudaStream_t stream,
                            const DropoutSize& size,
                            const DropoutForward& operands) {
  start_typed(stream, size, operands);
}

void launch_dropout_backward(cudaStream_t stream,
                             const DropoutSize& size,
                             const DropoutBackward& operands) {
  start_typed(stream, size, operands);
}

}  // namespace forerun::cuda
