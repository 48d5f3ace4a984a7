#include "estimator/plan/launch_flags.hpp"

#include "estimator/plan/launch_settings.hpp"

namespace forerun {

std::int64_t layers_per_chunk(const Job& job) {
  const std::int64_t chunks = job.layout.pipeline * job.layout.virtual_pipeline;
  return (job.model.layers + (counts_ends(job) ? 2 : 0) + chunks - 1) / chunks;
}

bool counts_ends(const Job& job) {
  const std::int64_t chunks = job.layout.pipeline * job.layout.virtual_pipeline;
  return job.model.layers % chunks != 0 && (job.model.layers + 2) % chunks == 0;
}

std::string launch_text(const Job& job, Overlap overlap, LaunchFormat format) {
  switch (format) {
    case LaunchFormat::megatron:
      return megatron_settings(job, overlap);
    case LaunchFormat::torchtitan:
      return torchtitan_settings(job, overlap);
    case LaunchFormat::nemo:
      return nemo_settings(job, overlap);
  }
  return {};
}

}  // namespace forerun
