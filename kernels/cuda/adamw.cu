// AdamW over flat arrays, four elements a thread.
#include "kernels/cuda/adamw_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

template <int Width>
struct Packs {
  const Pack<float, Width>* gradient;
  Pack<float, Width>* master;
  Pack<float, Width>* m;
  Pack<float, Width>* v;
  Pack<__nv_bfloat16, Width>* weight;
};

template <int Width>
__global__ void step(Packs<Width> arrays, AdamWFactors f, std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    const Pack<float, Width> gradient = arrays.gradient[i];
    Pack<float, Width> master = arrays.master[i];
    Pack<float, Width> m = arrays.m[i];
    Pack<float, Width> v = arrays.v[i];
    Pack<__nv_bfloat16, Width> weight;
    for (int k = 0; k < Width; ++k) {
      const float g = gradient.values[k];
      m.values[k] = f.beta1 * m.values[k] + f.rest1 * g;
      v.values[k] = f.beta2 * v.values[k] + f.rest2 * g * g;
      const float direction =
          m.values[k] * f.m_correction / (sqrtf(v.values[k] * f.v_correction) + f.epsilon);
      master.values[k] -= f.learning_rate * (direction + f.weight_decay * master.values[k]);
      weight.values[k] = from_float<__nv_bfloat16>(master.values[k]);
    }
    arrays.master[i] = master;
    arrays.m[i] = m;
    arrays.v[i] = v;
    if (arrays.weight != nullptr) {
      arrays.weight[i] = weight;
    }
  }
}

template <int Width>
void start(cudaStream_t stream, const AdamWArrays& arrays, const AdamWFactors& factors) {
  using Floats = Pack<float, Width>;
  const Packs<Width> packs{reinterpret_cast<const Floats*>(arrays.gradient),
                           reinterpret_cast<Floats*>(arrays.master),
                           reinterpret_cast<Floats*>(arrays.m),
                           reinterpret_cast<Floats*>(arrays.v),
                           static_cast<Pack<__nv_bfloat16, Width>*>(arrays.weight)};
  const std::int64_t items = arrays.elements / Width;
  launch(stream, {blocks_for(items), block_threads}, step<Width>, packs, factors, items);
}

}  // namespace

void launch_adamw(cudaStream_t stream, const AdamWArrays& arrays, const AdamWFactors& factors) {
  const bool is_wide = arrays.elements % 4 == 0 && is_aligned(arrays.gradient, 16) &&
                       is_aligned(arrays.master, 16) && is_aligned(arrays.m, 16) &&
                       is_aligned(arrays.v, 16) && is_aligned(arrays.weight, 8);
  if (is_wide) {
    start<4>(stream, arrays, factors);
  } else {
    start<1>(stream, arrays, factors);
  }
}

}  // namespace forerun::cuda
