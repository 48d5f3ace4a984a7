#include "estimator/step/work_sizes.hpp"

#include <numeric>

namespace forerun {
namespace {

std::int64_t sum_of(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

// Gate, values, B, C and dt of Mamba-2 (state-spaces/mamba, mamba2.py); values and gate of Mamba-1
// (mamba_simple.py).
MixerSizes scan_sizes(const StateSpace& s, std::int64_t tensor, Mixer mixer) {
  MixerSizes size;
  size.inner = s.inner / tensor;
  if (mixer == Mixer::mamba) {
    size.keys = s.state;
    size.convolved_sections = {size.inner};
    size.projected_sections = {size.inner, size.inner};
    return size;
  }
  size.heads = s.heads / tensor;
  size.groups = s.groups / tensor;
  size.keys = size.groups * s.state;
  size.convolved_sections = {size.inner, size.keys, size.keys};
  size.projected_sections = {size.inner, size.inner, size.keys, size.keys, size.heads};
  return size;
}

// Queries, keys, values and gate (transformers, Qwen3NextGatedDeltaNet).
MixerSizes delta_sizes(const DeltaNet& d, std::int64_t tensor) {
  MixerSizes size;
  size.heads = d.value_heads / tensor;
  size.groups = d.key_heads / tensor;
  size.inner = size.heads * d.value_size;
  size.keys = size.groups * d.key_size;
  size.convolved_sections = {size.keys, size.keys, size.inner};
  size.projected_sections = {size.keys, size.keys, size.inner, size.inner};
  return size;
}

}  // namespace

MixerSizes mixer_sizes(const Job& job, Mixer mixer) {
  MixerSizes size = mixer == Mixer::delta_net
                        ? delta_sizes(*job.model.delta_net, job.layout.tensor)
                        : scan_sizes(*job.model.state_space, job.layout.tensor, mixer);
  size.convolved = sum_of(size.convolved_sections);
  size.projected = sum_of(size.projected_sections);
  return size;
}

}  // namespace forerun
