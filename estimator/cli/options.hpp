// The checked options of one call: what the command line and the job file come to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comm/process_grid.hpp"
#include "estimator/backend/module.hpp"
#include "estimator/capacity/capacity.hpp"
#include "estimator/plan/launch_flags.hpp"
#include "estimator/plan/plan.hpp"
#include "estimator/plan/what_if.hpp"
#include "estimator/step/step_time.hpp"
#include "jobs/model_shape.hpp"
#include "jobs/parallel_layout.hpp"
#include "jobs/recipe.hpp"
#include "kernels/kernel_key.hpp"
#include "units/quantity.hpp"
#include "units/unit.hpp"

namespace forerun {

enum class Verb {
  measure,
  rehearse,
  estimate,
  plan,
  capacity,
  forecast,
  validate,
  report,
  show,
  import
};
enum class Format { table, json, csv };
enum class Verbosity { quiet, normal, verbose };

/// Experts of a layer, and those of them that work on a token; 0 experts: a dense layer.
struct ExpertSplit {
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
};

/// What is absent the user did not say, and there is no one default for it. Every value that is
/// present has been checked by itself; `layout` is checked where the devices are known
/// (parse_layout, parse_layouts).
struct Options {
  Verb verb = Verb::estimate;

  std::vector<std::string> models;  ///< at least one for measure, rehearse and estimate
  /// The model that another framework's job file describes; `models` then holds its name.
  std::optional<ModelShape> stated_model;
  std::optional<std::string> cluster;
  std::optional<std::int64_t> devices;
  std::optional<DeviceKind> device;
  std::optional<std::string> layout;

  std::optional<std::int64_t> batch;        ///< sequences per optimizer step
  std::optional<std::int64_t> micro_batch;  ///< sequences
  std::optional<std::int64_t> sequence;     ///< tokens
  std::optional<double> tokens;             ///< of the whole run
  std::optional<Precision> precision;
  std::optional<RecomputePolicy> recompute;
  std::optional<Offload> offload;
  std::optional<bool> fp8_param_gather;
  std::optional<Tuning> tuning;
  std::optional<std::int64_t> lora_rank;
  std::optional<LoraTargets> lora_targets;
  std::optional<std::string> teacher;  ///< a model, as --model names them
  std::optional<ExpertLoad> expert_load;
  std::optional<StageSplit> stage_split;
  bool tries_stage_splits = false;  ///< of plan
  std::optional<ContextKind> context_kind;
  std::optional<ExpertDispatch> expert_dispatch;
  std::optional<Schedule> schedule;
  std::optional<SequenceParallel> sequence_parallel;
  std::optional<ZeroStage> zero;
  std::optional<std::int64_t> shard_group;  ///< --fsdp: 0 shards over all data-parallel ranks
  bool keeps_gathered_weights = false;      ///< of a job file: see Recipe
  std::optional<Software> software;
  std::optional<bool> launch_blocking;
  std::optional<Overlap> overlap;
  RankOrder rank_order = megatron_order;
  std::optional<double> slowest_device;  ///< its time over that of the others
  std::optional<double> jitter;          ///< relative standard deviation of a node's step

  std::optional<Seconds> time_budget;
  bool strict = false;             ///< of estimate and its kin
  bool shows_sensitivity = false;  ///< --sensitivity of forecast
  bool resume = false;
  std::optional<std::string> log_json;  ///< --log-json
  bool kernels_only = false;
  bool comm_only = false;
  bool decode = false;  ///< --decode: whole decode steps instead of single operations
  /// How long a rank may be silent, or all may wait in one collective, before the run is given up.
  Seconds stall_limit = 60.0 * unit::second;
  std::vector<KernelKey> kernels;  ///< --kernel
  std::int64_t steps = 5;
  double hold_out = 0.0;               ///< --hold-out: share of the profile's kernels
  std::optional<std::int64_t> layers;  ///< --layers: of a deeper model, those that are run

  /// `plan` alone: several values of --devices and --batch.
  std::vector<std::int64_t> device_set;
  std::vector<std::int64_t> batch_set;
  std::vector<Offload> offload_set;  ///< --offload of `plan`
  std::optional<Seconds> deadline;
  std::optional<Dollars> max_cost;
  Objective objective = Objective::time;
  std::optional<Objective> second_objective;  ///< --objective time,cost
  std::int64_t top = 5;
  std::optional<LaunchFormat> emit;
  WhatIf what_if;                ///< estimate and plan
  RunSettings run;               ///< estimate and plan
  std::optional<Dollars> price;  ///< --price: of a device-hour

  Workload workload;  ///< --input-len, --output-len, --ttft, --tpot, --max-batched-tokens
  Serving serving = Serving::continuous;
  std::optional<std::string> draft;                   ///< --draft: a model, or "ngram"
  std::optional<std::int64_t> draft_tokens;           ///< --draft-tokens
  std::optional<double> acceptance;                   ///< --acceptance
  std::optional<ServingPrecision> serving_precision;  ///< --precision of `capacity`
  std::optional<ServingPrecision> cache_precision;    ///< --kv-precision
  ServingSoftware serving_software;                   ///< --software of `capacity`
  Person person;                                      ///< --words-per-minute, --tokens-per-word
  std::optional<double> training_mfu;                 ///< --mfu

  std::optional<double> year;  ///< fractions allowed: 2030.5
  std::string scenario = "steinhardt-2023";
  std::int64_t samples = 100'000;
  std::optional<Seconds> training_time;        ///< --days
  std::optional<std::string> backtest;         ///< --backtest: 2020..2025
  std::optional<std::string> edge;             ///< --edge: mem=16GB,bw=100GB/s
  std::optional<std::string> emitted_job;      ///< --emit-job
  std::optional<std::string> emitted_cluster;  ///< --emit-cluster
  ExpertSplit emitted_experts;                 ///< --emit-experts; 0: dense
  std::optional<std::string> fitted_table;     ///< --fit-scaling-law
  std::int64_t left_out = 0;                   ///< --leave-out

  std::optional<std::string> kernel_tables;    ///< --kernels
  std::vector<std::string> collective_tables;  ///< --collectives
  std::optional<std::string> training_table;   ///< --table
  std::optional<std::string> training_log;     ///< --log
  std::optional<std::string> inference_table;  ///< --inference
  std::optional<std::string> terms_out;        ///< --terms-out
  std::optional<std::string> host_out;         ///< --host-out

  std::vector<std::string> nccl_tests_logs;  ///< --nccl-tests
  std::vector<std::string> osu_logs;         ///< --osu
  std::vector<std::string> merged_profiles;  ///< --merge
  std::optional<std::string> device_name;
  std::optional<std::int64_t> ranks;
  std::optional<std::int64_t> ranks_per_node;

  std::vector<std::string> results;  ///< of `report`: --result, or words that stand alone

  std::optional<std::string> topology_of;  ///< `show topology PROFILE`
  std::vector<std::string> compared;       ///< --compare: none or two
  double tolerance = 0.05;                 ///< of --compare, as a fraction

  std::vector<std::string> job_notes;  ///< what --job was not understood in, for standard error

  std::uint64_t seed = 1;
  std::optional<std::string> out;
  std::optional<std::string> trace;  ///< file for the step's timeline
  Format format = Format::table;
  Verbosity verbosity = Verbosity::normal;
};

[[nodiscard]] std::string_view name_of(Verb verb);

/// The recipe that the options make: what they leave out keeps Recipe's default. --batch, --seq and
/// --precision depend on what runs the job when they are left out (job_options.hpp).
[[nodiscard]] Recipe recipe_from(const Options& options);

/// The model of that name: that of the job file, else as read_model finds it.
[[nodiscard]] ModelShape model_named(const std::string& name, const Options& options);

}  // namespace forerun
