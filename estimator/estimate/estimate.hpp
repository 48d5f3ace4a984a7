// The verb `estimate`: one job, one layout, one cluster: step, memory, MFU, run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/estimate/error_band.hpp"
#include "estimator/estimate/hardware_source.hpp"
#include "estimator/run/run_cost.hpp"
#include "estimator/step/step_time.hpp"
#include "jobs/job.hpp"

namespace forerun {

struct EstimateRequest {
  Job job;
  HardwareSource hardware;  ///< already sized for the job's devices
  Overlap overlap = Overlap::on;
  Strictness strictness = Strictness::any_tier;
  HostCost host = {};
  RankOrder rank_order = megatron_order;
  RunSettings run = {};
  Stragglers stragglers = {};
};

struct JobEstimate {
  EstimateRequest request;
  StepEstimate step;
  Seconds step_time;
  std::int64_t devices = 0;
  std::int64_t peak_stage = 0;
  Bytes memory_peak;
  Bytes host_memory;  ///< of a node full of the devices that leave most to it
  std::optional<std::string> infeasible_because;
  std::optional<FlopsPerSecond> peak;  ///< of one device in the job's number format
  std::string job_class;               ///< whose structural error widens the band
  ErrorBand band;                      ///< 90 %
  std::optional<RunCost> run;          ///< when the job says its tokens
};

/// Throws InputError when the job is illegal, unsupported, or a key has no price.
[[nodiscard]] JobEstimate estimate_job(const EstimateRequest& request);

/// The same with prices that the caller keeps from one job to the next: `prices_of` the same
/// hardware.
[[nodiscard]] JobEstimate estimate_job(const EstimateRequest& request, const PriceList& prices);

/// The document of the verb: keys as design.md's contract lists them.
[[nodiscard]] nlohmann::ordered_json to_json(const JobEstimate& estimate);

/// What offloading goes over: the device's share of its node's host side. Throws InputError where
/// the cluster names none; nothing is needed where nothing is offloaded.
[[nodiscard]] HostLink host_link_for(const Offload& offload, const Cluster& cluster);

/// Parts of documents that other verbs echo too.
[[nodiscard]] nlohmann::ordered_json job_json(const Job& job);
[[nodiscard]] nlohmann::ordered_json breakdown_json(const StepBreakdown& breakdown);
[[nodiscard]] nlohmann::ordered_json run_json(const RunCost& run, const Cluster& cluster);

/// What the software overlaps does overlap, to the degree that was measured; where nothing was
/// measured, as on GPUs for GPUs and not at all for CPUs (plain MPI gets on inside MPI calls only).
[[nodiscard]] Overlap default_overlap(const HardwareSource& hardware);

}  // namespace forerun
