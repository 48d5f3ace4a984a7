#include "estimator/rehearse/depth.hpp"

#include <algorithm>
#include <utility>

#include "jobs/chunk_placement.hpp"
#include "units/integer.hpp"

namespace forerun {
namespace {

// Layers come and go by as many as there are chunks.
std::int64_t layer_step(const Job& job) {
  return model_chunks(job);
}

std::int64_t least_layers(const Job& job) {
  const std::int64_t dense = job.model.moe ? job.model.moe->dense_layers : 0;
  return std::min(job.model.layers, rounded_up(dense + 1, layer_step(job)));
}

}  // namespace

Job with_depth(Job job, std::int64_t layers) {
  if (layers < job.model.layers) {
    job.model.layers = layers;
    job.recipe.stage_split = {};
    if (std::ssize(job.model.kinds) > layers) {
      job.model.kinds.resize(static_cast<std::size_t>(layers));
    }
  }
  return job;
}

Bytes tensor_memory(const Job& job) {
  Bytes most;
  const WorkBuilder builder(job, {world_size(job.layout)});
  for (const StageMemory& stage : step_memory(job, builder, host_overheads())) {
    most = std::max(most, total_of(stage));
  }
  return most;
}

Job shallowest(const Job& job) {
  return with_depth(job, least_layers(job));
}

std::optional<Job> deepest_fitting(const Job& job, Bytes memory) {
  if (tensor_memory(job) <= memory) {
    return job;
  }
  const std::int64_t step = layer_step(job);
  for (std::int64_t layers = (job.model.layers - 1) / step * step; layers >= least_layers(job);
       layers -= step) {
    Job cut = with_depth(job, layers);
    if (tensor_memory(cut) <= memory) {
      return cut;
    }
  }
  return std::nullopt;
}

}  // namespace forerun
