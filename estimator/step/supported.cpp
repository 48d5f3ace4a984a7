// Which jobs have a work list, and which of those can be executed.
#include <string>

#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/work_list.hpp"

namespace forerun {
namespace {

bool has_scan(const ModelShape& model) {
  return model.state_space || model.delta_net;
}

bool attends_in_chunks(const Job& job) {
  return job.model.attention.chunked &&
         job.model.attention.window.value_or(job.recipe.sequence) < job.recipe.sequence;
}

std::string chunk_reason(const Job& job) {
  if (!attends_in_chunks(job)) {
    return {};
  }
  const std::int64_t chunk = *job.model.attention.window;
  if (job.recipe.sequence % chunk != 0) {
    return job.model.name + " attends in chunks of " + std::to_string(chunk) +
           " tokens, of which --seq " + std::to_string(job.recipe.sequence) + " is not a multiple";
  }
  if (job.layout.context > 1) {
    return job.model.name + " attends in chunks of " + std::to_string(chunk) +
           " tokens, which cp above 1 is not modelled for (expected cp=1)";
  }
  return {};
}

std::string scan_reason(const Job& job) {
  const ModelShape& model = job.model;
  if (model.state_space && !model.state_space->conv_bias) {
    return model.name + " has convolutions without bias, for which there is no kernel";
  }
  if (has_scan(model) && job.layout.context > 1) {
    return model.name +
           " has layers whose state passes from token to token, which cp above 1 is not modelled "
           "for (expected cp=1)";
  }
  return {};
}

std::string expert_reason(const Job& job) {
  if (!job.model.moe) {
    return {};
  }
  const bool shards = job.recipe.sequence_parallel == SequenceParallel::on;
  if (job.layout.tensor > 1 && !shards && job.layout.expert_tensor != job.layout.tensor) {
    return "experts with tp above 1 and --sp off need every tensor rank to hold a part of them, as "
           "all route the same tokens (expected etp=" +
           std::to_string(job.layout.tensor) + ", or --sp on)";
  }
  if (job.recipe.expert_dispatch.kind != DispatchKind::plain && job.layout.expert_tensor > 1) {
    return "--ep-kind " + text_of(job.recipe.expert_dispatch) +
           " is modelled for whole experts (expected etp=1, or --ep-kind plain)";
  }
  if (job.recipe.shard_group > 0) {
    return "experts with --fsdp hsdp:N are not modelled yet: which of their replicas share shards "
           "is not settled (expected --fsdp full)";
  }
  return {};
}

std::string context_reason(const Job& job) {
  if (job.layout.context == 1) {
    return {};
  }
  if (job.recipe.software.attention == AttentionMethod::unfused) {
    return "cp above 1 needs attention that does not store its scores, which --software " +
           std::string(job.recipe.software.preset) + " has not";
  }
  if (job.model.latent && job.recipe.context_kind != ContextKind::ring) {
    return "latent attention with cp above 1 is modelled for --cp-kind ring only";
  }
  if (job.recipe.context_kind == ContextKind::hierarchical &&
      job.model.attention.heads / job.layout.tensor % job.layout.context != 0) {
    // How many of the ranks share a node is the cluster's; all of them is the most.
    return "--cp-kind hierarchical exchanges the " +
           std::to_string(job.model.attention.heads / job.layout.tensor) +
           " heads of a tensor rank within a node, which is modelled where cp divides them, not "
           "for "
           "cp=" +
           std::to_string(job.layout.context);
  }
  const std::int64_t heads = job.model.attention.heads / job.layout.tensor;
  if (job.recipe.context_kind == ContextKind::ulysses && heads % job.layout.context != 0) {
    return "--cp-kind ulysses gives every rank an equal share of the " + std::to_string(heads) +
           " heads of a tensor rank, which cp=" + std::to_string(job.layout.context) +
           " does not divide";
  }
  return {};
}

std::string tuning_reason(const Job& job) {
  const Recipe& recipe = job.recipe;
  if (recipe.tuning == Tuning::full) {
    return {};
  }
  if (recipe.adapters.rank > job.model.hidden) {
    return "--lora-rank " + std::to_string(recipe.adapters.rank) + " is above the hidden size of " +
           job.model.name + " (expected at most " + std::to_string(job.model.hidden) + ")";
  }
  if (adapter_parameters(job.model, recipe.adapters) == 0) {
    return "--lora-targets " + names_of(recipe.adapters.targets) + " names no layer of " +
           job.model.name + " (expected all-linear, or some of " +
           names_of(lora_targets_of(job.model)) + ")";
  }
  if (recipe.tuning == Tuning::qlora && has_narrow_products(recipe.precision)) {
    return "--tuning qlora widens its weights to 16 bits or 32, not to --precision " +
           std::string(name_of(recipe.precision)) + " (expected bf16, fp16 or fp32)";
  }
  if (recipe.tuning == Tuning::qlora && recipe.zero == ZeroStage::parameters) {
    return "--tuning qlora keeps whole weights of 4 bits on every rank, which --zero 3 and --fsdp "
           "do not (expected --zero 0 to 2)";
  }
  return {};
}

// Passes that the schedule splits: kept tensors would be needed at two times, and weights between
// passes of other micro-batches.
std::string offload_reason(const Job& job) {
  const Recipe& recipe = job.recipe;
  const Offload& offload = recipe.offload;
  if (!offload.any()) {
    return {};
  }
  const std::string option = "--offload " + text_of(offload);
  if (job.teacher) {
    return option + " is not modelled beside --teacher (expected --offload none)";
  }
  if ((offload.activations || offload.weights) && splits_backward(schedule_of(job))) {
    return option + ": --schedule " + std::string(name_of(schedule_of(job))) +
           " runs the parts of a backward pass at different times, and what came back for one "
           "would "
           "have to stay for the other (expected --offload none or optimizer, or 1f1b, "
           "interleaved, "
           "gpipe or breadth-first)";
  }
  if (!offload.weights) {
    return {};
  }
  if (recipe.tuning != Tuning::full) {
    return option +
           ": frozen weights beside adapters are not offloaded (expected activations or "
           "optimizer)";
  }
  if (has_narrow_products(recipe.precision)) {
    return option + ": the copies that --precision " + std::string(name_of(recipe.precision)) +
           " computes with stay on the device (expected activations or optimizer)";
  }
  const bool has_master =
      data_type_of(recipe.precision) != DataType::fp32 && recipe.software.keeps_master_weights;
  if (recipe.zero == ZeroStage::parameters && has_master && !offload.optimizer) {
    return option +
           ": with --zero 3 weights are gathered from their fp32 master copies, which "
           "belong to the optimizer (expected --offload optimizer,weights)";
  }
  return {};
}

std::string teacher_reason(const Job& job) {
  if (!job.teacher) {
    return {};
  }
  if (job.teacher->vocabulary != job.model.vocabulary) {
    return "--teacher " + job.teacher->name + " scores " + std::to_string(job.teacher->vocabulary) +
           " tokens and " + job.model.name + " " + std::to_string(job.model.vocabulary) +
           ": their logits cannot be compared (expected a teacher with the same vocabulary)";
  }
  Job teacher = teacher_job(job);
  teacher.recipe.tuning = Tuning::full;  // what it trains is nothing, which is no mistake
  if (const auto reason = illegal_because(teacher)) {
    return "--teacher " + job.teacher->name + " cannot be split as the model is: " + *reason;
  }
  if (const auto reason = unsupported_because(teacher)) {
    return "--teacher " + job.teacher->name + ": " + *reason;
  }
  return {};
}

std::string narrow_weights_reason(const Recipe& recipe) {
  if (!recipe.fp8_param_gather) {
    return {};
  }
  const std::string option = "--fp8-param-gather on";
  if (recipe.precision != Precision::fp8 && recipe.precision != Precision::mxfp8) {
    return option + ": --precision " + std::string(name_of(recipe.precision)) +
           " has no weights in 8 bits (expected --precision fp8 or mxfp8)";
  }
  if (recipe.zero == ZeroStage::parameters) {
    return option +
           ": with --zero 3 and --fsdp weights are gathered in 16 bits (expected --zero 0 to 2)";
  }
  if (recipe.tuning != Tuning::full) {
    return option + ": frozen weights beside adapters stay in 16 bits (expected --tuning full)";
  }
  return {};
}

}  // namespace

std::optional<std::string> unsupported_because(const Job& job) {
  if (const std::string reason = narrow_weights_reason(job.recipe); !reason.empty()) {
    return reason;
  }
  if (const std::string reason = tuning_reason(job); !reason.empty()) {
    return reason;
  }
  if (const std::string reason = offload_reason(job); !reason.empty()) {
    return reason;
  }
  if (const std::string reason = teacher_reason(job); !reason.empty()) {
    return reason;
  }
  if (const std::string reason = scan_reason(job); !reason.empty()) {
    return reason;
  }
  if (const std::string reason = chunk_reason(job); !reason.empty()) {
    return reason;
  }
  if (const std::string reason = expert_reason(job); !reason.empty()) {
    return reason;
  }
  if (const std::string reason = context_reason(job); !reason.empty()) {
    return reason;
  }
  return std::nullopt;
}

std::vector<std::string> left_out_of(const Job& job) {
  std::vector<std::string> parts;
  if (job.model.attention.sinks) {
    parts.emplace_back("the attention sinks");
  }
  if (job.model.moe && job.model.moe->expert_bias) {
    parts.emplace_back("the experts' biases");
  }
  if (job.model.moe && job.model.moe->router_bias) {
    parts.emplace_back("the router's bias");
  }
  if (job.model.state_space && job.model.state_space->projection_bias) {
    parts.emplace_back("the biases of Mamba's projections");
  }
  if (job.model.mtp_modules > 0) {
    parts.emplace_back("the modules that predict further tokens");
  }
  return parts;
}

std::optional<std::string> not_executed_because(const Job& job) {
  if (job.recipe.tuning != Tuning::full || job.teacher) {
    return "fine-tuning with adapters, and with a teacher, is estimated only";
  }
  if (job.recipe.offload.any()) {
    return "--offload " + text_of(job.recipe.offload) + " is estimated only";
  }
  if (job.model.delta_net) {
    return job.model.name + " has DeltaNet layers, which no kernel here computes";
  }
  if (attends_in_chunks(job)) {
    return job.model.name + " attends in chunks of the sequence, which is estimated only";
  }
  if (job.layout.expert_tensor > 1) {
    return "etp above 1 is estimated only";
  }
  if (job.recipe.expert_dispatch.kind != DispatchKind::plain) {
    return "--ep-kind " + text_of(job.recipe.expert_dispatch) + " is estimated only";
  }
  if (const auto parts = left_out_of(job); !parts.empty()) {
    return job.model.name + " needs " + parts.front() + ", which no kernel here computes";
  }
  return std::nullopt;
}

}  // namespace forerun
