// The document of `estimate`.
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/estimate.hpp"
#include "estimator/profile/build_info.hpp"
#include "jobs/parameter_count.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

Json memory_json(const StageMemory& memory) {
  return {{"weights", memory.weights.in(unit::byte)},
          {"gradients", memory.gradients.in(unit::byte)},
          {"optimizer_states", memory.optimizer_states.in(unit::byte)},
          {"activations", memory.activations.in(unit::byte)},
          {"transient", memory.transient.in(unit::byte)},
          {"context", memory.context.in(unit::byte)},
          {"communication", memory.communication.in(unit::byte)},
          {"fragmentation", memory.fragmentation.in(unit::byte)}};
}

Json provenance_json(const Provenance& provenance) {
  return {{"measured", provenance.share[0]},
          {"interpolated", provenance.share[1]},
          {"fitted", provenance.share[2]},
          {"datasheet", provenance.share[3]}};
}

template <typename T>
Json or_null(const std::optional<T>& value, T unit) {
  return value ? Json(value->in(unit)) : Json(nullptr);
}

Json hardware_json(const JobEstimate& estimate) {
  const Cluster& cluster = estimate.request.hardware.cluster;
  return {{"name", cluster.name},
          {"device", cluster.device.name},
          {"devices", estimate.devices},
          {"devices_per_node", cluster.devices_per_node},
          {"memory_per_device_bytes", cluster.device.memory.in(unit::byte)},
          {"peak_flop_per_s", or_null(estimate.peak, unit::flop / unit::second)},
          {"host_memory_per_node_bytes",
           cluster.host ? Json(cluster.host->size.in(unit::byte)) : Json(nullptr)},
          {"measured", estimate.request.hardware.profile.has_value()},
          {"source", cluster.source}};
}

void add_rates(const JobEstimate& estimate, Json& document) {
  const StepEstimate& step = estimate.step;
  const Recipe& recipe = estimate.request.job.recipe;
  const auto devices = static_cast<double>(estimate.devices);
  const FlopsPerSecond per_device = step.model_flops / estimate.step_time / devices;
  const FlopsPerSecond executed = step.hardware_flops / estimate.step_time / devices;
  document["model_flops_per_step"] = step.model_flops.in(unit::flop);
  document["hardware_flops_per_step"] = step.hardware_flops.in(unit::flop);
  document["tflops_per_device"] = per_device.in(unit::teraflop / unit::second);
  document["mfu"] = estimate.peak ? Json(per_device / *estimate.peak) : Json(nullptr);
  document["hfu"] = estimate.peak ? Json(executed / *estimate.peak) : Json(nullptr);
  document["tokens_per_s"] = static_cast<double>(recipe.global_batch * recipe.sequence) /
                             estimate.step_time.in(unit::second);
}

// Which way the software offloads, over which link, and what the band does not know.
std::string offload_note(const Job& job, const Cluster& cluster) {
  const HostMemory& host = *cluster.host;
  std::string note = "offload over " + host.link + ", " + text_of(host.link_rate) + " one way";
  if (host.sharing > 1) {
    note += " shared by " + std::to_string(host.sharing) + " devices";
  }
  if (job.recipe.offload.optimizer) {
    note += "; " + std::string(job.recipe.software.preset) + " updates weights " +
            std::string(name_of(job.recipe.software.offloaded_update));
  }
  return note +
         "; adapters of the network on the same switch are not slowed, and the band is that of "
         "other training";
}

// Where hosts of a node are left to other jobs.
std::optional<std::string> segment_note(const JobEstimate& estimate) {
  const Cluster& cluster = estimate.request.hardware.cluster;
  const std::int64_t used = ranks_per_node(placement_on(cluster, estimate.request.rank_order),
                                           estimate.request.job.layout);
  if (used >= cluster.devices_per_node) {
    return std::nullopt;
  }
  return fmt::format(
      "ranks are on {} of a node's {} devices, so that inner groups stay inside a node: ask the "
      "scheduler for it (Slurm: --segment={})",
      used,
      cluster.devices_per_node,
      used / cluster.devices_per_host);
}

void add_tuning_notes(const Job& job, Json& notes) {
  if (job.recipe.tuning != Tuning::full && job.model.moe) {
    notes.push_back("routed experts and routers are frozen: adapters are beside the other layers");
  }
  if (job.recipe.tuning == Tuning::qlora || job.teacher) {
    notes.push_back(
        "no published step checks 4-bit weights or a teacher: the band is that of other training");
  }
}

Json notes_of(const JobEstimate& estimate) {
  Json notes = estimate.request.hardware.notes;
  const Cluster& cluster = estimate.request.hardware.cluster;
  if (estimate.request.hardware.profile && !cluster.measured) {
    notes.push_back(
        "peak_flop_per_s is the fastest GEMM that the profile holds, so mfu compares "
        "with what this device was seen to do, not with a datasheet");
  }
  if (!estimate.run) {
    notes.push_back("run is null: say how long to train with --tokens or --steps");
  } else {
    for (const std::string& note : estimate.run->notes) {
      notes.push_back(note);
    }
  }
  const Seconds per_launch = estimate.request.host.per_launch;
  if (per_launch > Seconds()) {
    notes.push_back("the host takes " + text_of(per_launch) + " to launch a kernel: " +
                    (estimate.request.host.is_assumed
                         ? "assumed, within PyTorch's published 5 to 20 us an operation"
                         : "calibrated on published steps of " +
                               std::string(estimate.request.job.recipe.software.preset)));
  }
  if (estimate.request.host.waits) {
    notes.emplace_back("it waits for every kernel: launches hide under nothing, nothing overlaps");
  }
  const Job& job = estimate.request.job;
  if (job.recipe.zero == ZeroStage::gradients && job.layout.pipeline > 1) {
    notes.push_back(
        "with a pipeline, zero 2 holds and reduces whole gradients at the end of the step, as zero "
        "1 does");
  }
  add_tuning_notes(job, notes);
  if (job.recipe.offload.any()) {
    notes.push_back(offload_note(job, cluster));
  }
  if (const auto note = segment_note(estimate)) {
    notes.push_back(*note);
  }
  for (const std::string& part : left_out_of(estimate.request.job)) {
    notes.push_back("the work of " + part + " is left out");
  }
  return notes;
}

}  // namespace

Json job_json(const Job& job) {
  const ParallelLayout& layout = job.layout;
  const Recipe& recipe = job.recipe;
  const ParameterCount parameters = count_parameters(job.model);
  const bool has_adapters = recipe.tuning != Tuning::full;
  return {
      {"model",
       {{"name", job.model.name},
        {"parameters", parameters.total},
        {"active_parameters", parameters.active}}},
      {"layout",
       {{"tp", layout.tensor},
        {"pp", layout.pipeline},
        {"vp", layout.virtual_pipeline},
        {"cp", layout.context},
        {"ep", layout.expert},
        {"etp", layout.expert_tensor},
        {"dp", layout.data}}},
      {"recipe",
       {{"batch", recipe.global_batch},
        {"micro_batch", recipe.micro_batch},
        {"micro_batches_per_pipeline", micro_batches(job)},
        {"seq", recipe.sequence},
        {"precision", name_of(recipe.precision)},
        {"fp8_param_gather", recipe.fp8_param_gather ? "on" : "off"},
        {"recompute", text_of(recipe.recompute)},
        {"stage_layers", text_of(recipe.stage_split)},
        {"offload", text_of(recipe.offload)},
        {"schedule", name_of(schedule_of(job))},
        {"sp", recipe.sequence_parallel == SequenceParallel::on ? "on" : "off"},
        {"zero", static_cast<int>(recipe.zero)},
        {"shard_group", recipe.shard_group > 0 ? Json(recipe.shard_group) : Json(nullptr)},
        {"cp_kind", name_of(recipe.context_kind)},
        {"ep_kind", text_of(recipe.expert_dispatch)},
        {"expert_load", text_of(recipe.expert_load)},
        {"tuning", name_of(recipe.tuning)},
        {"lora_rank", has_adapters ? Json(recipe.adapters.rank) : Json(nullptr)},
        {"lora_targets", has_adapters ? Json(names_of(recipe.adapters.targets)) : Json(nullptr)},
        {"trained_parameters", trained_parameters(job)},
        {"teacher", job.teacher ? Json(job.teacher->name) : Json(nullptr)},
        {"software", recipe.software.preset},
        {"launch_blocking", recipe.software.waits_for_kernels ? "on" : "off"},
        {"tokens", recipe.tokens ? Json(*recipe.tokens) : Json(nullptr)}}}};
}

Json breakdown_json(const StepBreakdown& breakdown) {
  return {{"compute", breakdown.compute.in(unit::second)},
          {"recompute", breakdown.recompute.in(unit::second)},
          {"tensor_parallel", breakdown.tensor_parallel.in(unit::second)},
          {"context_parallel", breakdown.context_parallel.in(unit::second)},
          {"expert_parallel", breakdown.expert_parallel.in(unit::second)},
          {"pipeline_p2p", breakdown.pipeline_p2p.in(unit::second)},
          {"bubble", breakdown.bubble.in(unit::second)},
          {"data_parallel", breakdown.data_parallel.in(unit::second)},
          {"optimizer", breakdown.optimizer.in(unit::second)},
          {"offload", breakdown.offload.in(unit::second)},
          {"contention", breakdown.contention.in(unit::second)},
          {"host", breakdown.host.in(unit::second)},
          {"straggler", breakdown.straggler.in(unit::second)}};
}

Json to_json(const JobEstimate& estimate) {
  Json document = document_head();
  document["inputs"] = job_json(estimate.request.job);
  document["inputs"]["cluster"] = hardware_json(estimate);
  document["inputs"]["overlap"] = estimate.request.overlap == Overlap::on ? "on" : "off";
  document["inputs"]["host_per_launch_s"] = estimate.request.host.per_launch.in(unit::second);
  const Stragglers& stragglers = estimate.request.stragglers;
  document["inputs"]["slowest_device"] =
      stragglers.slowest_device ? Json(*stragglers.slowest_device) : Json(nullptr);
  document["inputs"]["jitter"] =
      stragglers.jitter_sigma ? Json(*stragglers.jitter_sigma) : Json(nullptr);
  document["inputs"]["rank_order"] = text_of(estimate.request.rank_order);
  document["step_time_s"] = estimate.step_time.in(unit::second);
  document["breakdown_s"] = breakdown_json(estimate.step.breakdown);
  document["slowest_stage"] = estimate.step.slowest_stage;
  document["bubble_fraction"] = estimate.step.bubble_fraction;
  add_rates(estimate, document);
  document["memory_peak_bytes"] = estimate.memory_peak.in(unit::byte);
  document["memory_bytes"] =
      memory_json(estimate.step.memory[static_cast<std::size_t>(estimate.peak_stage)]);
  document["memory_peak_stage"] = estimate.peak_stage;
  document["host_memory_bytes"] = estimate.host_memory.in(unit::byte);
  Json stages = Json::array();
  Json kinds = Json::array();
  for (const StageMemory& stage : estimate.step.memory) {
    stages.push_back(total_of(stage).in(unit::byte));
    kinds.push_back(memory_json(stage));
  }
  document["memory_bytes_by_stage"] = std::move(stages);
  document["memory_kinds_bytes_by_stage"] = std::move(kinds);
  document["feasible"] = !estimate.infeasible_because.has_value();
  document["infeasible_reason"] =
      estimate.infeasible_because ? Json(*estimate.infeasible_because) : Json(nullptr);
  document["provenance"] = provenance_json(estimate.step.provenance);
  document["error_band_s"] = {estimate.band.low.in(unit::second),
                              estimate.band.high.in(unit::second)};
  document["error_band_class"] = estimate.job_class;
  document["run"] =
      estimate.run ? run_json(*estimate.run, estimate.request.hardware.cluster) : Json(nullptr);
  document["notes"] = notes_of(estimate);
  return document;
}

}  // namespace forerun
