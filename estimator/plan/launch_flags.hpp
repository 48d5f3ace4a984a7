// A job as the settings of the framework that is to run it.
#pragma once

#include <string>
#include <vector>

#include "estimator/plan/search_space.hpp"
#include "estimator/step/part_cost.hpp"
#include "jobs/job.hpp"

namespace forerun {

enum class LaunchFormat { megatron, torchtitan, nemo };

/// Megatron-LM: arguments, one a line; torchtitan: a TOML; NeMo: a YAML. Layout, batch,
/// recomputation, precision and overlap, for what `recipe` says; what the framework has no setting
/// for stands as a comment at the end. Dataset, model and cluster are left to the user.
[[nodiscard]] std::string launch_text(const Job& job, Overlap overlap, LaunchFormat format);

/// The pipeline schedules that the framework has a setting for.
[[nodiscard]] const std::vector<Schedule>& schedules_of(LaunchFormat format);
[[nodiscard]] bool has_setting_for(Schedule schedule, LaunchFormat format);
/// Of every_sharding, those that the framework has a setting for: torchtitan shards everything (its
/// replicas run beside no other degree), NeMo has no groups of replicas.
[[nodiscard]] std::vector<Sharding> shardings_of(LaunchFormat format,
                                                 std::int64_t devices_per_node);
/// Whether tensor ranks would share a key-value head, which none of the frameworks runs
/// (Megatron-LM, validate_args: num_query_groups is a multiple of the tensor ranks).
[[nodiscard]] bool shares_heads(const ModelShape& model, std::int64_t tensor);
/// Whether the framework's settings can ask for adapters.
[[nodiscard]] bool has_adapters(LaunchFormat format);

}  // namespace forerun
