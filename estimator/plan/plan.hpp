// The verb `plan`: the best layouts of a job on a machine, for every device count and batch asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "comm/communicator.hpp"
#include "estimator/estimate/estimate.hpp"
#include "estimator/plan/search_result.hpp"
#include "estimator/plan/search_space.hpp"

namespace forerun {

/// What the best has least of; `tokens_per_dollar` most of. `memory`: of the fullest device.
enum class Objective { time, cost, energy, tokens_per_dollar, memory };

[[nodiscard]] std::string_view name_of(Objective objective);

/// Values that the user pinned; empty: every one that is legal.
struct PlanChoices {
  std::optional<std::string> layouts;  ///< the grammar of parallel_layout.hpp
  std::vector<std::int64_t> micro_batches;
  std::vector<Schedule> schedules;
  std::vector<SequenceParallel> sequence_parallel;
  std::vector<Sharding> shardings;
  std::vector<RecomputePolicy> recompute;
  bool recomputes_by_stage = true;  ///< where `recompute` is not pinned
  std::vector<Overlap> overlaps;
  bool tries_stage_splits = false;  ///< else the recipe's
  std::vector<Offload> offloads;    ///< empty: nothing is offloaded
  bool whole_heads = false;         ///< no tensor ranks share a key-value head: see shares_heads
};

struct PlanRequest {
  ModelShape model;
  Recipe recipe;                      ///< sequence, precision, software, tokens; the rest is chosen
  std::optional<ModelShape> teacher;  ///< distillation: see Job
  HardwareSource hardware;
  std::vector<std::int64_t> devices;
  std::vector<std::int64_t> batches;
  PlanChoices choices;
  Objective objective = Objective::time;
  std::optional<Objective> second;  ///< the Pareto front of both
  std::size_t top = 5;
  std::optional<Seconds> deadline;  ///< of the run
  std::optional<Dollars> max_cost;  //
  RunSettings run;
  Strictness strictness = Strictness::any_tier;
  HostCost host;
  RankOrder rank_order = megatron_order;
};

/// One layout that fits, estimated in full.
struct PlannedLayout {
  Candidate candidate;
  JobEstimate estimate;
  double value = 0.0;  ///< of the objective, less is better
};

struct Plan {
  PlanRequest request;
  SearchResult counts;                 ///< over all device counts and batches
  std::vector<PlannedLayout> layouts;  ///< best first, no two of one shape, device count and batch
  std::vector<PlannedLayout> pareto;
  std::optional<PlannedLayout> fewest;  ///< of what is within the limits, on the fewest devices
  std::optional<std::string> infeasible_because;
  std::optional<PlannedLayout> nearest;  ///< when nothing is feasible: what comes closest
};

/// Splits the space over the ranks of `world`; the same plan on each. Throws InputError.
[[nodiscard]] Plan make_plan(const PlanRequest& request, Communicator& world);

/// The document of the verb but for its head and `elapsed_s`.
[[nodiscard]] nlohmann::ordered_json to_json(const Plan& plan);

}  // namespace forerun
