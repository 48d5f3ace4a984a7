// A job as torchtitan's TOML (torchtitan/config/job_config.py).
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "estimator/plan/launch_settings.hpp"
#include "estimator/plan/torchtitan_flavors.hpp"
#include "jobs/chunk_placement.hpp"

namespace forerun {
namespace {

std::string titan_schedule(const Job& job, LaunchSettings& settings) {
  switch (schedule_of(job)) {
    case Schedule::gpipe:
      return "GPipe";
    case Schedule::one_f_one_b:
      return "1F1B";
    case Schedule::interleaved:
      return "Interleaved1F1B";
    case Schedule::breadth_first:
      return "LoopedBFS";
    case Schedule::zb_v:
      return "ZBVZeroBubble";
    case Schedule::dualpipe_v:
      return "DualPipeV";
    case Schedule::zb_h1:
    case Schedule::zb_h2:
    case Schedule::dualpipe:
      settings.lack(fmt::format("schedule {}", name_of(schedule_of(job))));
      return "1F1B";
  }
  return "1F1B";
}

// DDP, which torchtitan runs beside no other degree (parallelize_llama: "DDP has not supported > 1D
// parallelism").
bool replicates(const Job& job) {
  const ParallelLayout& layout = job.layout;
  return job.recipe.zero == ZeroStage::none &&
         layout.tensor * layout.pipeline * layout.context * layout.expert == 1;
}

// Optimizer states or gradients alone cannot be sharded: FSDP that keeps its gathered weights is
// nearest, and is what stands for replicas beside other degrees.
bool keeps_gathered(const Job& job) {
  return job.recipe.keeps_gathered_weights || job.recipe.zero != ZeroStage::parameters;
}

// Ranks that share a replica's weights: data-parallel ones, beside those of the context.
std::int64_t titan_group(const Job& job, LaunchSettings& settings) {
  const std::int64_t group = job.recipe.shard_group;
  const std::int64_t context = job.layout.context;
  if (replicates(job)) {
    return 1;
  }
  if (group == 0) {
    return job.layout.data;
  }
  if (group % context != 0) {
    settings.lack(fmt::format("groups of {} that do not hold cp={} ranks", group, context));
  }
  return std::max<std::int64_t>(1, group / context);
}

void add_titan_model(const Job& job, LaunchSettings& settings) {
  settings.add("[model]");
  if (const auto flavor = flavor_of(job.model.name)) {
    settings.add(fmt::format("name = \"{}\"", flavor->name));
    settings.add(fmt::format("flavor = \"{}\"", flavor->flavor));
  } else {
    settings.lack("model " + job.model.name);
  }
  if (job.recipe.precision == Precision::fp8) {
    settings.add("converters = [\"float8\"]");
  } else if (job.recipe.precision == Precision::mxfp8) {
    settings.add("converters = [\"quantize.linear.mx\"]");
  } else if (job.recipe.precision == Precision::fp16) {
    settings.lack("fp16");
  }
}

// FSDP's offloading takes everything that it shards: parameters, gradients, optimizer states.
void add_titan_offload(const Recipe& recipe, LaunchSettings& settings) {
  const Offload& offload = recipe.offload;
  const bool takes_all =
      offload.optimizer && offload.weights && recipe.zero == ZeroStage::parameters;
  if (takes_all) {
    settings.add("enable_cpu_offload = true");
  }
  lack_offload(offload, {.optimizer = takes_all, .weights = takes_all}, settings);
}

void add_titan_training(const Job& job, LaunchSettings& settings) {
  const Recipe& recipe = job.recipe;
  const ParallelLayout& layout = job.layout;
  settings.add("\n[training]");
  settings.add(
      fmt::format("local_batch_size = {}",
                  layout.pipeline > 1 ? recipe.global_batch / layout.data : recipe.micro_batch));
  settings.add(fmt::format("global_batch_size = {}", recipe.global_batch));
  settings.add(fmt::format("seq_len = {}", recipe.sequence));
  if (recipe.precision == Precision::fp32) {
    settings.add("mixed_precision_param = \"float32\"");
  }
  add_titan_offload(recipe, settings);
}

// "[["tok_embeddings", "layers.0"], ...]": the modules of every chunk in model order.
std::string titan_modules(const Job& job) {
  const auto chunks = chunk_layers(job);
  std::string text = "[";
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    std::vector<std::string> modules;
    if (i == 0) {
      modules.emplace_back("\"tok_embeddings\"");
    }
    for (std::int64_t layer = 0; layer < chunks[i].count; ++layer) {
      modules.push_back(fmt::format("\"layers.{}\"", chunks[i].first + layer));
    }
    if (i + 1 == chunks.size()) {
      modules.emplace_back(R"("norm", "output")");
    }
    text += fmt::format("{}[{}]", i == 0 ? "" : ", ", fmt::join(modules, ", "));
  }
  return text + "]";
}

void add_titan_pipeline(const Job& job, LaunchSettings& settings) {
  settings.add(fmt::format("pipeline_parallel_degree = {}", job.layout.pipeline));
  if (job.model.moe) {
    settings.add(fmt::format("expert_parallel_degree = {}", job.layout.expert));
    settings.add(fmt::format("expert_tensor_parallel_degree = {}", job.layout.expert_tensor));
  }
  if (job.layout.pipeline > 1) {
    const StageSplit& split = job.recipe.stage_split;
    settings.add(fmt::format("pipeline_parallel_schedule = \"{}\"", titan_schedule(job, settings)));
    settings.add(fmt::format("pipeline_parallel_microbatch_size = {}", job.recipe.micro_batch));
    if (split.kind == StageSplit::Kind::listed) {
      settings.add("module_fqns_per_model_part = " + titan_modules(job));
      return;
    }
    const bool even = split.kind == StageSplit::Kind::even;
    const std::int64_t embedding = even ? (counts_ends(job) ? 1 : 0) : split.embedding;
    const std::int64_t head = even ? (counts_ends(job) ? 1 : 0) : split.head;
    settings.add(fmt::format("pipeline_parallel_layers_per_stage = {}", layers_per_chunk(job)));
    settings.add(fmt::format("pipeline_parallel_first_stage_less_layers = {}", embedding));
    settings.add(fmt::format("pipeline_parallel_last_stage_less_layers = {}", head));
  }
}

bool is_tensor_async(const Job& job) {
  return job.layout.tensor > 1 && job.recipe.software.overlaps_tensor_backward;
}

// What ParallelDims asserts: experts borrow whole context groups, with etp=1 whole tensor groups
// too, and of the data-parallel ranks those that share a replica's weights.
void check_titan_experts(const Job& job, std::int64_t group, LaunchSettings& settings) {
  const ParallelLayout& layout = job.layout;
  if (layout.expert == 1) {
    return;
  }
  const bool is_one = layout.expert_tensor == 1;
  const std::int64_t borrowed = layout.context * (is_one ? layout.tensor : 1);
  const bool is_legal = (is_one || layout.expert_tensor == layout.tensor) &&
                        layout.expert % borrowed == 0 && group * borrowed % layout.expert == 0;
  if (!is_legal) {
    settings.lack(fmt::format("ep={} with etp={}, tp={}, cp={} and {} ranks that share weights",
                              layout.expert,
                              layout.expert_tensor,
                              layout.tensor,
                              layout.context,
                              group));
  }
}

void add_titan_parallelism(const Job& job, std::int64_t group, LaunchSettings& settings) {
  const Recipe& recipe = job.recipe;
  const ParallelLayout& layout = job.layout;
  settings.add("\n[parallelism]");
  settings.add(fmt::format("data_parallel_replicate_degree = {}", layout.data / group));
  settings.add(fmt::format("data_parallel_shard_degree = {}", group));
  if (group > 1) {
    settings.add(fmt::format("fsdp_reshard_after_forward = \"{}\"",
                             keeps_gathered(job) ? "never" : "always"));
  }
  settings.add(fmt::format("tensor_parallel_degree = {}", layout.tensor));
  if (is_tensor_async(job)) {
    settings.add("enable_async_tensor_parallel = true");
  }
  settings.add(fmt::format("context_parallel_degree = {}", layout.context));
  if (layout.context > 1) {
    const bool is_ring = recipe.context_kind == ContextKind::ring;
    settings.add(
        fmt::format("context_parallel_rotate_method = \"{}\"", is_ring ? "alltoall" : "allgather"));
  }
  add_titan_pipeline(job, settings);
}

std::int64_t titan_layers_per_chunk(const Job& job) {
  const std::int64_t chunks = job.layout.pipeline * job.layout.virtual_pipeline;
  return (job.model.layers + chunks - 1) / chunks;
}

// Torchtitan recomputes every k-th layer, or by operation. Left out, k is 2.
std::string titan_selection(const Job& job) {
  const RecomputePolicy& policy = job.recipe.recompute;
  const bool is_one_count = policy.kind == Recompute::block && policy.layers > 0;
  if (!is_one_count) {
    return "op";
  }
  return std::to_string(std::max<std::int64_t>(1, titan_layers_per_chunk(job) / policy.layers));
}

void add_titan_checkpointing(const Job& job, LaunchSettings& settings) {
  const RecomputePolicy& policy = job.recipe.recompute;
  settings.add("\n[activation_checkpoint]");
  const bool is_whole = policy.kind == Recompute::none || policy.kind == Recompute::full;
  if (is_whole) {
    settings.add(fmt::format("mode = \"{}\"", policy.kind == Recompute::full ? "full" : "none"));
    return;
  }
  const std::string selection = titan_selection(job);
  settings.add("mode = \"selective\"");
  settings.add(fmt::format("selective_ac_option = \"{}\"", selection));
  const bool is_exact = selection == "op"
                            ? text_of(policy) == "layernorm+mlp_act"
                            : titan_layers_per_chunk(job) / std::stoll(selection) == policy.layers;
  if (!is_exact) {
    settings.lack("recompute " + text_of(policy) + " exactly; selective_ac_option is nearest");
  }
}

}  // namespace

std::string torchtitan_settings(const Job& job, Overlap overlap) {
  const Recipe& recipe = job.recipe;
  LaunchSettings settings("#");
  const std::int64_t group = titan_group(job, settings);
  settings.add(fmt::format("# {} on {} devices", job.model.name, world_size(job.layout)));
  add_titan_model(job, settings);
  add_titan_training(job, settings);
  add_titan_parallelism(job, group, settings);
  if (overlap == Overlap::off) {
    settings.lack("no overlap");
  }
  if (recipe.software.fuses_residual_norm || is_tensor_async(job)) {
    settings.add("\n[compile]\nenable = true");
  }
  add_titan_checkpointing(job, settings);
  check_titan_experts(job, group, settings);
  if (job.layout.expert > 1 && schedule_of(job) == Schedule::dualpipe_v &&
      recipe.recompute.kind != Recompute::none) {
    settings.lack("recomputation beside DualPipeV with experts");
  }
  if (job.layout.data > 1 && !replicates(job) && recipe.zero != ZeroStage::parameters) {
    settings.lack(fmt::format("ZeRO-{} alone; FSDP that keeps gathered weights is nearest",
                              static_cast<int>(recipe.zero)));
  }
  if (recipe.tuning != Tuning::full) {
    settings.lack("adapters");
  }
  lack_shared_heads(job, settings);
  lack_teacher(job, settings);
  if (job.layout.tensor > 1 && recipe.sequence_parallel == SequenceParallel::off) {
    settings.lack("tensor parallelism without sequence parallelism");
  }
  return settings.text();
}

}  // namespace forerun
