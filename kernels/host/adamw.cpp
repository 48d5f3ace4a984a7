// AdamW on flat fp32 state, with a bf16 copy of the weights where they are kept in bf16.
#include <algorithm>
#include <cmath>

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/row_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// The scalars of one step, folded so that an element takes one division and one root:
//   weight = decay weight - step_size m / (root_correction sqrt(v) + epsilon).
struct Coefficients {
  explicit Coefficients(const AdamWScalars& s)
      : beta1(static_cast<float>(s.beta1)),
        beta2(static_cast<float>(s.beta2)),
        one_minus_beta1(static_cast<float>(1.0 - s.beta1)),
        one_minus_beta2(static_cast<float>(1.0 - s.beta2)),
        epsilon(static_cast<float>(s.epsilon)),
        decay(static_cast<float>(1.0 - s.learning_rate * s.weight_decay)),
        step_size(static_cast<float>(s.learning_rate /
                                     (1.0 - std::pow(s.beta1, static_cast<double>(s.step))))),
        root_correction(static_cast<float>(
            1.0 / std::sqrt(1.0 - std::pow(s.beta2, static_cast<double>(s.step))))) {}

  float beta1;
  float beta2;
  float one_minus_beta1;
  float one_minus_beta2;
  float epsilon;
  float decay;
  float step_size;
  float root_correction;
};

struct State {
  const float* gradient = nullptr;
  float* weight = nullptr;
  float* m = nullptr;
  float* v = nullptr;
};

FORERUN_MULTIVERSION void update(const State& state, const Coefficients& c, std::int64_t count) {
  const float* gradient = state.gradient;
  float* weight = state.weight;
  float* m = state.m;
  float* v = state.v;
  const Coefficients k = c;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float first = k.beta1 * m[i] + k.one_minus_beta1 * g;
    const float second = k.beta2 * v[i] + k.one_minus_beta2 * g * g;
    m[i] = first;
    v[i] = second;
    const float root = std::sqrt(second) * k.root_correction + k.epsilon;
    weight[i] = k.decay * weight[i] - k.step_size * (first / root);
  }
}

// Converted while the chunk is still in the first-level cache.
constexpr std::int64_t chunk = 2048;

}  // namespace

void adamw(const KernelCall& call) {
  const Coefficients coefficients(call.scalars.adamw);
  const bool has_copy = call.key.type == DataType::bf16;
  parallel_ranges(call.shape<FlatShape>().elements, 1, [&](const ThreadRange& range) {
    for (std::int64_t first = range.first; first < range.last; first += chunk) {
      const std::int64_t count = std::min(chunk, range.last - first);
      const State state{.gradient = call.floats(0) + first,
                        .weight = call.floats(1) + first,
                        .m = call.floats(2) + first,
                        .v = call.floats(3) + first};
      update(state, coefficients, count);
      if (has_copy) {
        call.array(4).commit(first, count, state.weight);
      }
    }
  });
}

}  // namespace forerun::host
