// A job as NeMo 1's YAML (examples/nlp/language_modeling/conf/megatron_gpt_config.yaml).
#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "estimator/plan/launch_flags.hpp"
#include "estimator/plan/launch_settings.hpp"

namespace forerun {
namespace {

const char* on_off(bool state) {
  return state ? "true" : "false";
}

void add_precision(const Job& job, LaunchSettings& settings) {
  const Precision precision = job.recipe.precision;
  if (precision == Precision::fp8) {
    settings.add("  fp8: true");
    settings.add("  fp8_hybrid: true");
  } else if (precision == Precision::mxfp8 || precision == Precision::nvfp4) {
    settings.lack(std::string(name_of(precision)));
  }
}

void add_layout(const Job& job, LaunchSettings& settings) {
  const ParallelLayout& layout = job.layout;
  settings.add(fmt::format("  tensor_model_parallel_size: {}", layout.tensor));
  settings.add(fmt::format("  pipeline_model_parallel_size: {}", layout.pipeline));
  settings.add(fmt::format(
      "  virtual_pipeline_model_parallel_size: {}",
      layout.virtual_pipeline > 1 ? std::to_string(layout.virtual_pipeline) : std::string("null")));
  if (counts_ends(job)) {
    settings.add("  account_for_embedding_in_pipeline_split: true");
    settings.add("  account_for_loss_in_pipeline_split: true");
  } else if (job.recipe.stage_split.kind != StageSplit::Kind::even) {
    settings.lack("layers by stage, " + text_of(job.recipe.stage_split));
  }
  settings.add(fmt::format("  context_parallel_size: {}", layout.context));
  if (job.model.moe) {
    settings.add(fmt::format("  expert_model_parallel_size: {}", layout.expert));
    settings.add(fmt::format("  expert_tensor_parallel_size: {}", layout.expert_tensor));
  }
  const bool splits = job.recipe.sequence_parallel == SequenceParallel::on;
  settings.add(fmt::format("  sequence_parallel: {}", on_off(layout.tensor > 1 && splits)));
}

void add_recomputation(const RecomputePolicy& policy, LaunchSettings& settings) {
  if (policy.kind == Recompute::none) {
    settings.add("  activations_checkpoint_granularity: null");
    return;
  }
  if (policy.kind == Recompute::selective) {
    settings.add("  activations_checkpoint_granularity: selective");
    if (policy.modules != RecomputeModules()) {
      settings.lack("recompute " + text_of(policy) + ": selective is core_attn");
    }
    return;
  }
  if (!policy.by_stage.empty()) {
    settings.lack("recompute " + text_of(policy) +
                  ": activations_checkpoint_num_layers is of every stage of mcore_gpt");
    return;
  }
  const bool is_block = policy.kind == Recompute::block;
  settings.add("  activations_checkpoint_granularity: full");
  settings.add(fmt::format("  activations_checkpoint_method: {}", is_block ? "block" : "uniform"));
  settings.add(
      fmt::format("  activations_checkpoint_num_layers: {}", is_block ? policy.layers : 1));
}

void add_sharding(const Recipe& recipe, LaunchSettings& settings) {
  if (recipe.zero == ZeroStage::gradients || recipe.zero == ZeroStage::parameters) {
    const bool whole = recipe.zero == ZeroStage::parameters;
    settings.add("  fsdp: true");
    settings.add(fmt::format("  fsdp_sharding_strategy: {}", whole ? "full" : "grad"));
  }
}

void add_optimizer(const Recipe& recipe, Overlap overlap, LaunchSettings& settings) {
  const bool overlaps = overlap == Overlap::on;
  const Software& software = recipe.software;
  settings.add(fmt::format("  overlap_p2p_comm: {}", on_off(overlaps)));
  settings.add("  optim:");
  settings.add(fmt::format(
      "    name: {}", recipe.zero == ZeroStage::none ? "fused_adam" : "distributed_fused_adam"));
  settings.add(fmt::format("    overlap_grad_sync: {}",
                           on_off(overlaps && software.overlaps_gradient_reduce)));
  settings.add(fmt::format("    overlap_param_sync: {}",
                           on_off(overlaps && software.overlaps_parameter_gather)));
}

// NeMo's groups of matrices, as far as all of one or none have adapters.
std::vector<std::string> adapter_groups(const Job& job, LaunchSettings& settings) {
  const LoraTargets model = lora_targets_of(job.model);
  const LoraTargets& wanted = job.recipe.adapters.targets;
  std::vector<std::string> groups;
  const auto add = [&](const char* name, std::initializer_list<bool LoraTargets::*> members) {
    const auto is_there = [&](bool LoraTargets::*member) { return model.*member; };
    const auto is_wanted = [&](bool LoraTargets::*member) {
      return model.*member && wanted.*member;
    };
    if (std::ranges::none_of(members, is_wanted)) {
      return;
    }
    groups.emplace_back(name);
    if (std::ranges::count_if(members, is_wanted) != std::ranges::count_if(members, is_there)) {
      settings.lack(fmt::format("adapters of a part of {}", name));
    }
  };
  add("attention_qkv", {&LoraTargets::query, &LoraTargets::key, &LoraTargets::value});
  add("attention_dense", {&LoraTargets::output});
  add("mlp_fc1", {&LoraTargets::gate, &LoraTargets::up});
  add("mlp_fc2", {&LoraTargets::down});
  return groups;
}

// examples/nlp/language_modeling/tuning/conf/megatron_gpt_finetuning_config.yaml; "canonical" gives
// queries, keys, values, gate and up an adapter each.
void add_adapters(const Job& job, LaunchSettings& settings) {
  const Recipe& recipe = job.recipe;
  if (recipe.tuning == Tuning::full) {
    return;
  }
  settings.add("  peft:");
  settings.add(fmt::format("    peft_scheme: {}", name_of(recipe.tuning)));
  settings.add("    lora_tuning:");
  settings.add("      variant: canonical");
  settings.add(
      fmt::format("      target_modules: [{}]", fmt::join(adapter_groups(job, settings), ", ")));
  settings.add(fmt::format("      adapter_dim: {}", recipe.adapters.rank));
  if (job.model.state_space || job.model.delta_net) {
    settings.lack("adapters of Mamba and DeltaNet layers");
  }
}

const char* trainer_precision(Precision precision) {
  if (precision == Precision::fp32) {
    return "32";
  }
  return precision == Precision::fp16 ? "16" : "bf16";
}

}  // namespace

std::string nemo_settings(const Job& job, Overlap overlap) {
  const Recipe& recipe = job.recipe;
  LaunchSettings settings("#");
  settings.add(fmt::format("# {} on {} devices", job.model.name, world_size(job.layout)));
  settings.add("trainer:");
  settings.add(fmt::format("  precision: {}", trainer_precision(recipe.precision)));
  settings.add("model:");
  add_nemo_model(job.model, settings);
  settings.add(fmt::format("  hidden_dropout: {}", recipe.software.dropout ? 0.1 : 0.0));
  add_precision(job, settings);
  settings.add(fmt::format("  micro_batch_size: {}", recipe.micro_batch));
  settings.add(fmt::format("  global_batch_size: {}", recipe.global_batch));
  settings.add(fmt::format("  encoder_seq_length: {}", recipe.sequence));
  add_layout(job, settings);
  add_recomputation(recipe.recompute, settings);
  add_sharding(recipe, settings);
  add_adapters(job, settings);
  lack_offload(recipe.offload, {}, settings);
  lack_shared_heads(job, settings);
  lack_teacher(job, settings);
  add_optimizer(recipe, overlap, settings);
  const Schedule schedule = schedule_of(job);
  if (!has_setting_for(schedule, LaunchFormat::nemo)) {
    settings.lack(fmt::format("schedule {}", name_of(schedule)));
  }
  if (recipe.shard_group > 0) {
    settings.lack(fmt::format("groups of {} ranks that share weights", recipe.shard_group));
  }
  return settings.text();
}

}  // namespace forerun
