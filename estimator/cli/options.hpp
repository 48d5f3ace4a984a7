// The checked options of one call: what the command line and the job file come to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/backend/module.hpp"
#include "estimator/step/step_time.hpp"
#include "jobs/model_shape.hpp"
#include "jobs/parallel_layout.hpp"
#include "jobs/recipe.hpp"
#include "kernels/kernel_key.hpp"
#include "units/quantity.hpp"

namespace forerun {

enum class Verb { measure, rehearse, estimate, forecast, validate, show };
enum class Format { table, json, csv };
enum class Verbosity { quiet, normal, verbose };

/// What is absent the user did not say, and there is no one default for it. Every value that is
/// present has been checked by itself; `layout` is checked where the devices are known
/// (parse_layout, parse_layouts).
struct Options {
  Verb verb = Verb::estimate;

  std::vector<std::string> models;  ///< at least one for measure, rehearse and estimate
  std::optional<std::string> cluster;
  std::optional<std::int64_t> devices;
  std::optional<DeviceKind> device;
  std::optional<std::string> layout;

  std::optional<std::int64_t> batch;        ///< sequences per optimizer step
  std::optional<std::int64_t> micro_batch;  ///< sequences
  std::optional<std::int64_t> sequence;     ///< tokens
  std::optional<double> tokens;             ///< of the whole run
  std::optional<Precision> precision;
  std::optional<Recompute> recompute;
  std::optional<Schedule> schedule;
  std::optional<SequenceParallel> sequence_parallel;
  std::optional<ZeroStage> zero;
  std::optional<Overlap> overlap;

  std::optional<Seconds> time_budget;
  bool resume = false;
  bool kernels_only = false;
  std::vector<KernelKey> kernels;  ///< --kernel
  std::int64_t steps = 5;

  std::optional<double> year;  ///< fractions allowed: 2030.5
  std::string scenario = "steinhardt-2023";
  std::int64_t samples = 100'000;
  std::optional<Seconds> training_time;  ///< --days

  std::optional<std::string> kernel_tables;  ///< --kernels

  std::uint64_t seed = 1;
  bool strict = false;
  std::optional<std::string> out;
  Format format = Format::table;
  Verbosity verbosity = Verbosity::normal;
};

[[nodiscard]] std::string_view name_of(Verb verb);

/// The recipe that the options make: what they leave out keeps Recipe's default. --batch, --seq and
/// --precision depend on what runs the job when they are left out (job_options.hpp).
[[nodiscard]] Recipe recipe_from(const Options& options);

}  // namespace forerun
