// A job as Megatron-LM's arguments (megatron/training/arguments.py).
#include <fmt/format.h>

#include "estimator/plan/launch_flags.hpp"
#include "estimator/plan/launch_settings.hpp"
#include "jobs/chunk_placement.hpp"

namespace forerun {
namespace {

std::string module_names(const RecomputeModules& modules) {
  std::string names;
  const auto add = [&](bool has, const char* name) {
    if (has) {
      names += " " + std::string(name);
    }
  };
  add(modules.core_attention, "core_attn");
  add(modules.norms, "layernorm");
  add(modules.mlp, "mlp");
  add(modules.expert_activation, "moe_act");
  return names;
}

void add_megatron_recompute(const Job& job, LaunchSettings& settings) {
  const RecomputePolicy& policy = job.recipe.recompute;
  switch (policy.kind) {
    case Recompute::none:
      return;
    case Recompute::selective:
      settings.add("--recompute-granularity selective");
      if (const auto names = module_names(policy.modules); !names.empty()) {
        settings.add("--recompute-modules" + names);
      }
      if (policy.modules.activation) {
        settings.lack("recomputing a dense FFN's activation alone");
      }
      return;
    case Recompute::full:
      settings.add("--recompute-granularity full");
      settings.add("--recompute-method uniform");
      settings.add("--recompute-num-layers 1");
      return;
    case Recompute::block:
      if (!policy.by_stage.empty()) {
        settings.lack("recompute " + text_of(policy) +
                      ": --recompute-num-layers is of every stage");
        return;
      }
      settings.add("--recompute-granularity full");
      settings.add("--recompute-method block");
      settings.add(fmt::format("--recompute-num-layers {}", policy.layers));
      return;
  }
}

// "Et*15|t*16|...|t*15L": the layers of every chunk in model order.
std::string chunk_text(const Job& job) {
  const auto chunks = chunk_layers(job);
  std::string text;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    text += i == 0 ? "E" : "|";
    if (chunks[i].count > 0) {
      text += fmt::format("t*{}", chunks[i].count);
    }
  }
  return text + "L";
}

void add_megatron_pipeline(const Job& job, LaunchSettings& settings) {
  const ParallelLayout& layout = job.layout;
  settings.add(fmt::format("--pipeline-model-parallel-size {}", layout.pipeline));
  if (layout.virtual_pipeline > 1 && schedule_of(job) == Schedule::interleaved) {
    settings.add(fmt::format("--num-virtual-stages-per-pipeline-rank {}", layout.virtual_pipeline));
  }
  if (counts_ends(job)) {
    settings.add("--account-for-embedding-in-pipeline-split");
    settings.add("--account-for-loss-in-pipeline-split");
  } else if (job.recipe.stage_split.kind != StageSplit::Kind::even ||
             job.model.layers % model_chunks(job) != 0) {
    settings.add(fmt::format("--pipeline-model-parallel-layout '{}'", chunk_text(job)));
  }
  const Schedule schedule = schedule_of(job);
  if (!has_setting_for(schedule, LaunchFormat::megatron)) {
    settings.lack(fmt::format("schedule {}", name_of(schedule)));
  }
}

void add_megatron_precision(Precision precision, LaunchSettings& settings) {
  switch (precision) {
    case Precision::bf16:
    case Precision::fp16:
      settings.add(fmt::format("--{}", name_of(precision)));
      return;
    case Precision::fp8:
      settings.add("--bf16");
      settings.add("--fp8-format hybrid");
      return;
    case Precision::mxfp8:
      settings.add("--bf16");
      settings.add("--fp8-format e4m3");
      settings.add("--fp8-recipe mxfp8");
      return;
    case Precision::fp32:
      return;
    case Precision::nvfp4:
      settings.lack("nvfp4");
      return;
  }
}

void add_megatron_sharding(const Job& job, LaunchSettings& settings) {
  const Recipe& recipe = job.recipe;
  switch (recipe.zero) {
    case ZeroStage::none:
      break;
    case ZeroStage::optimizer:
      settings.add("--use-distributed-optimizer");
      break;
    case ZeroStage::gradients:
      settings.add("--use-megatron-fsdp");
      settings.add("--data-parallel-sharding-strategy optim_grads");
      break;
    case ZeroStage::parameters:
      settings.add("--use-megatron-fsdp");
      settings.add("--data-parallel-sharding-strategy optim_grads_params");
      break;
  }
  if (recipe.zero == ZeroStage::gradients || recipe.zero == ZeroStage::parameters) {
    settings.add("--ckpt-format fsdp_dtensor");
    settings.add("# in the environment CUDA_DEVICE_MAX_CONNECTIONS unset or above 1");
  }
  if (recipe.shard_group > 0) {
    settings.add(fmt::format("--num-distributed-optimizer-instances {}",
                             job.layout.data * job.layout.context / recipe.shard_group));
  }
}

// The hybrid optimizer updates on the host; activations leave by layers, without a pipeline and
// short of the last one.
void add_megatron_offload(const Recipe& recipe, LaunchSettings& settings) {
  if (recipe.offload.optimizer) {
    settings.add("--use-precision-aware-optimizer");
    settings.add("--optimizer-cpu-offload");
    settings.add("--optimizer-offload-fraction 1.0");
  }
  lack_offload(recipe.offload, {.optimizer = true}, settings);
}

void add_megatron_overlap(const Job& job, Overlap overlap, LaunchSettings& settings) {
  const Software& software = job.recipe.software;
  if (overlap == Overlap::off) {
    settings.add("--no-overlap-p2p-communication");
    return;
  }
  if (software.overlaps_gradient_reduce) {
    settings.add("--overlap-grad-reduce");
    if (job.recipe.zero != ZeroStage::none && software.overlaps_parameter_gather) {
      settings.add("--overlap-param-gather");
    }
  }
}

const char* megatron_context(ContextKind kind) {
  switch (kind) {
    case ContextKind::ring:
      return "p2p";
    case ContextKind::all_gather:
      return "allgather";
    case ContextKind::ulysses:
      return "a2a";
    case ContextKind::hierarchical:
      return "a2a+p2p";
  }
  return "p2p";
}

}  // namespace

std::string megatron_settings(const Job& job, Overlap overlap) {
  const ParallelLayout& layout = job.layout;
  const Recipe& recipe = job.recipe;
  LaunchSettings settings("#");
  settings.add(fmt::format("# {} on {} devices", job.model.name, world_size(layout)));
  add_megatron_model(job.model, settings);
  if (!recipe.software.dropout) {
    settings.add("--hidden-dropout 0");
    settings.add("--attention-dropout 0");
  }
  settings.add(fmt::format("--tensor-model-parallel-size {}", layout.tensor));
  add_megatron_pipeline(job, settings);
  settings.add(fmt::format("--context-parallel-size {}", layout.context));
  if (layout.context > 1) {
    settings.add(fmt::format("--cp-comm-type {}", megatron_context(recipe.context_kind)));
  }
  if (job.model.moe) {
    settings.add(fmt::format("--expert-model-parallel-size {}", layout.expert));
    settings.add(fmt::format("--expert-tensor-parallel-size {}", layout.expert_tensor));
  }
  if (layout.tensor > 1 && recipe.sequence_parallel == SequenceParallel::on) {
    settings.add("--sequence-parallel");
  }
  settings.add(fmt::format("--micro-batch-size {}", recipe.micro_batch));
  settings.add(fmt::format("--global-batch-size {}", recipe.global_batch));
  settings.add(fmt::format("--seq-length {}", recipe.sequence));
  add_megatron_precision(recipe.precision, settings);
  if (recipe.fp8_param_gather) {
    settings.add("--fp8-param-gather");
  }
  add_megatron_recompute(job, settings);
  add_megatron_sharding(job, settings);
  add_megatron_offload(recipe, settings);
  add_megatron_overlap(job, overlap, settings);
  if (recipe.tuning != Tuning::full) {
    settings.lack("adapters");
  }
  lack_shared_heads(job, settings);
  lack_teacher(job, settings);
  return settings.text();
}

}  // namespace forerun
