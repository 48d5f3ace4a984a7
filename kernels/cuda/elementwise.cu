// Sums of arrays and biases, vectorised where the rows allow it.
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/elementwise_launch.hpp"

namespace forerun::cuda {

namespace {

template <class T, int Width>
__device__ Pack<T, Width> sum_of(const Pack<T, Width>& a, const Pack<T, Width>& b) {
  Pack<T, Width> sum;
  for (int k = 0; k < Width; ++k) {
    sum.values[k] = from_float<T>(to_float(a.values[k]) + to_float(b.values[k]));
  }
  return sum;
}

/// b repeats after `period` packs: the whole array for a sum, one row for a bias.
template <class T, int Width>
__global__ void add_arrays(const Pack<T, Width>* a,
                           const Pack<T, Width>* b,
                           Pack<T, Width>* sum,
                           std::int64_t period,
                           std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    sum[i] = sum_of(a[i], b[i % period]);
  }
}

struct Arrays {
  const void* a;
  const void* b;
  void* sum;
  std::int64_t b_rows;  ///< 1: a bias
};

template <class T, int Width>
void start_add(cudaStream_t stream, const ElementwiseSize& size, const Arrays& arrays) {
  const std::int64_t packs = size.columns / Width;
  const std::int64_t items = size.rows * packs;
  launch(stream,
         {blocks_for(items), block_threads},
         add_arrays<T, Width>,
         packs_of<T, Width>(arrays.a),
         packs_of<T, Width>(arrays.b),
         packs_of<T, Width>(arrays.sum),
         arrays.b_rows * packs,
         items);
}

template <class T>
void start_add(cudaStream_t stream, const ElementwiseSize& size, const Arrays& arrays) {
  if (takes_packs<T>(size.columns, {arrays.a, arrays.b, arrays.sum})) {
    start_add<T, wide<T>>(stream, size, arrays);
  } else {
    start_add<T, 1>(stream, size, arrays);
  }
}

void add(cudaStream_t stream, const ElementwiseSize& size, const Arrays& arrays) {
  if (size.type == DataType::bf16) {
    start_add<__nv_bfloat16>(stream, size, arrays);
  } else {
    start_add<float>(stream, size, arrays);
  }
}

template <class T>
struct ValueTerm {
  const T* values;
  std::int64_t columns;

  __device__ void operator()(std::int64_t row, std::int64_t column, float (&sums)[1]) const {
    sums[0] += to_float(values[row * columns + column]);
  }
};

template <class T>
void add_bias_gradient(cudaStream_t stream,
                       const ElementwiseSize& size,
                       const void* dy,
                       float* d_bias,
                       float* scratch) {
  add_column_sums<1>(stream,
                     ValueTerm<T>{static_cast<const T*>(dy), size.columns},
                     {size.rows, size.columns},
                     scratch,
                     Targets<1>{{d_bias}});
}

}  // namespace

void launch_add(
    cudaStream_t stream, const ElementwiseSize& size, const void* a, const void* b, void* sum) {
  add(stream, size, {a, b, sum, size.rows});
}

void launch_bias_forward(cudaStream_t stream,
                         const ElementwiseSize& size,
                         const void* bias,
                         void* y) {
  add(stream, size, {y, bias, y, 1});
}

void launch_bias_backward(cudaStream_t stream,
                          const ElementwiseSize& size,
                          const void* dy,
                          float* d_bias,
                          float* scratch) {
  if (size.type == DataType::bf16) {
    add_bias_gradient<__nv_bfloat16>(stream, size, dy, d_bias, scratch);
  } else {
    add_bias_gradient<float>(stream, size, dy, d_bias, scratch);
  }
}

}  // namespace forerun::cuda
