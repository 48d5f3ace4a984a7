#include "estimator/plan/launch_flags.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "estimator/plan/launch_settings.hpp"
#include "jobs/chunk_placement.hpp"

namespace forerun {

std::int64_t layers_per_chunk(const Job& job) {
  const std::int64_t chunks = job.layout.pipeline * job.layout.virtual_pipeline;
  const StageSplit& split = job.recipe.stage_split;
  const std::int64_t ends = counts_ends(job) ? 2 : split.embedding + split.head;
  return (job.model.layers + ends + chunks - 1) / chunks;
}

void lack_offload(const Offload& offload, const Offload& said, LaunchSettings& settings) {
  Offload rest;
  rest.activations = offload.activations && !said.activations;
  rest.optimizer = offload.optimizer && !said.optimizer;
  rest.weights = offload.weights && !said.weights;
  if (rest.any()) {
    settings.lack("offloading all " + text_of(rest));
  }
}

void lack_teacher(const Job& job, LaunchSettings& settings) {
  if (job.teacher) {
    settings.lack("the teacher " + job.teacher->name);
  }
}

bool counts_ends(const Job& job) {
  const std::int64_t chunks = model_chunks(job);
  const StageSplit ends{StageSplit::Kind::counted, 1, 1, {}};
  const bool divides = job.model.layers % chunks == 0;  // then the ends count for nothing
  return job.recipe.stage_split == ends ||
         (job.recipe.stage_split.kind == StageSplit::Kind::even && !divides &&
          chunk_layers(job) == assign_layers(job.model.layers, chunks, ends));
}

const std::vector<Schedule>& schedules_of(LaunchFormat format) {
  static const std::vector<Schedule> megatron{Schedule::one_f_one_b, Schedule::interleaved};
  static const std::vector<Schedule> torchtitan{Schedule::gpipe,
                                                Schedule::one_f_one_b,
                                                Schedule::interleaved,
                                                Schedule::breadth_first,
                                                Schedule::zb_v,
                                                Schedule::dualpipe_v};
  return format == LaunchFormat::torchtitan ? torchtitan : megatron;  // NeMo runs Megatron's
}

bool has_setting_for(Schedule schedule, LaunchFormat format) {
  return std::ranges::find(schedules_of(format), schedule) != schedules_of(format).end();
}

std::vector<Sharding> shardings_of(LaunchFormat format, std::int64_t devices_per_node) {
  std::vector<Sharding> shardings = every_sharding(devices_per_node);
  std::erase_if(shardings, [format](const Sharding& sharding) {
    // Its replicated weights (DDP) stand beside no other degree.
    const bool shards_all = sharding.zero == ZeroStage::parameters;
    return (format == LaunchFormat::torchtitan && !shards_all) ||
           (format == LaunchFormat::nemo && sharding.group != 0);
  });
  return shardings;
}

bool shares_heads(const ModelShape& model, std::int64_t tensor) {
  return !model.latent && model.attention.kv_heads % tensor != 0;
}

void lack_shared_heads(const Job& job, LaunchSettings& settings) {
  if (shares_heads(job.model, job.layout.tensor)) {
    settings.lack(fmt::format("{} key-value heads over tp={}: they must be a multiple of it",
                              job.model.attention.kv_heads,
                              job.layout.tensor));
  }
}

bool has_adapters(LaunchFormat format) {
  return format == LaunchFormat::nemo;
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
