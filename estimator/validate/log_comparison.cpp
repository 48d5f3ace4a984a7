#include "estimator/validate/log_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "topologies/median.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// torchtitan's tokens per second are those of a device: what its replica trains on, over all ranks
// that share it (components/metrics.py).
Seconds time_of(const LogIteration& one, const JobEstimate& estimate) {
  if (one.time) {
    return *one.time;
  }
  const Recipe& recipe = estimate.request.job.recipe;
  const auto tokens = static_cast<double>(recipe.global_batch * recipe.sequence);
  return tokens / static_cast<double>(estimate.devices) / *one.tokens_per_second * unit::second;
}

Seconds timer(const TrainingLog& log, const char* name) {
  const auto found = log.timers.find(name);
  return found == log.timers.end() ? Seconds() : found->second;
}

// Megatron-LM's `optimizer` contains the gathering of the weights; what no timer covers is the time
// between them: data, logging, the host.
std::vector<LogPart> parts_of(const TrainingLog& log, const StepBreakdown& step, Seconds measured) {
  const Seconds passes = step.compute + step.recompute + step.tensor_parallel +
                         step.context_parallel + step.expert_parallel + step.pipeline_p2p +
                         step.bubble + step.contention + step.host + step.straggler;
  std::vector<LogPart> parts{{"passes", passes, std::nullopt},
                             {"data_parallel", step.data_parallel, std::nullopt},
                             {"optimizer", step.optimizer, std::nullopt}};
  if (!log.timers.contains("forward-backward")) {
    return parts;
  }
  const Seconds gather = timer(log, "params-all-gather");
  const Seconds exchange = timer(log, "all-grads-sync") + gather +
                           timer(log, "embedding-grads-all-reduce") +
                           timer(log, "non-tensor-parallel-grads-all-reduce");
  parts[0].measured = timer(log, "forward-backward");
  parts[1].measured = exchange;
  parts[2].measured = std::max(Seconds(), timer(log, "optimizer") - gather);
  Seconds covered;
  for (const LogPart& part : parts) {
    covered += *part.measured;
  }
  parts.push_back({"outside", Seconds(), measured - covered});
  return parts;
}

double seconds(Seconds time) {
  return time.in(unit::second);
}

Json parts_json(const LogComparison& comparison) {
  Json parts = Json::object();
  for (const LogPart& part : comparison.parts) {
    parts[part.name] = {
        {"predicted_s", seconds(part.predicted)},
        {"measured_s", part.measured ? Json(seconds(*part.measured)) : Json(nullptr)},
        {"gap_s", part.measured ? Json(seconds(part.predicted - *part.measured)) : Json(nullptr)}};
  }
  return parts;
}

// By how much each priced part would have to be off, if it alone made the gap.
Json alone_json(const LogComparison& comparison, const StepBreakdown& step) {
  Json alone = Json::object();
  const double gap = seconds(comparison.measured - comparison.predicted);
  const Json parts = breakdown_json(step);
  for (const auto& [name, time] : parts.items()) {
    if (time.get<double>() > 0.0) {
      alone[name] = gap / time.get<double>();
    }
  }
  return alone;
}

Json bytes_or_null(const std::optional<Bytes>& size) {
  return size ? Json(size->in(unit::byte)) : Json(nullptr);
}

Json error_or_null(Bytes predicted, const std::optional<Bytes>& measured) {
  return measured ? Json((predicted - *measured) / *measured) : Json(nullptr);
}

// What the allocator hands out are tensors; what it reserves is also what it cannot use.
Json memory_json(const TrainingLog& log, const JobEstimate& estimate) {
  const StageMemory& peak = estimate.step.memory[static_cast<std::size_t>(estimate.peak_stage)];
  const Bytes tensors =
      peak.weights + peak.gradients + peak.optimizer_states + peak.activations + peak.transient;
  const Bytes reserved = tensors + peak.fragmentation;
  return {{"predicted_tensor_bytes", tensors.in(unit::byte)},
          {"most_allocated_bytes", bytes_or_null(log.most_allocated)},
          {"allocated_error", error_or_null(tensors, log.most_allocated)},
          {"predicted_reserved_bytes", reserved.in(unit::byte)},
          {"most_reserved_bytes", bytes_or_null(log.most_reserved)},
          {"reserved_error", error_or_null(reserved, log.most_reserved)}};
}

}  // namespace

LogComparison compare_with_log(const TrainingLog& log, const JobEstimate& estimate) {
  LogComparison comparison;
  comparison.predicted = estimate.step_time;
  const std::int64_t batch = estimate.request.job.recipe.global_batch;
  const auto count = std::ssize(log.iterations);
  comparison.warm_up = count > 1 ? std::max<std::int64_t>(1, count / 10) : 0;
  std::vector<double> times;  // seconds
  for (const LogIteration& one :
       std::span(log.iterations).subspan(static_cast<std::size_t>(comparison.warm_up))) {
    if (one.batch && *one.batch != batch) {
      ++comparison.other_batch;
    } else {
      times.push_back(seconds(time_of(one, estimate)));
    }
  }
  if (times.empty()) {
    throw InputError("--log",
                     fmt::format("no iteration has the job's batch of {} sequences (the last has "
                                 "{})",
                                 batch,
                                 log.iterations.back().batch.value_or(0)));
  }
  std::ranges::sort(times);
  comparison.used = std::ssize(times);
  comparison.measured = median_of(times) * unit::second;
  comparison.low = times[times.size() / 4] * unit::second;
  comparison.high = times[times.size() * 3 / 4] * unit::second;
  comparison.parts = parts_of(log, estimate.step.breakdown, comparison.measured);
  return comparison;
}

Json log_json(const std::string& path, const TrainingLog& log, const JobEstimate& estimate) {
  const LogComparison comparison = compare_with_log(log, estimate);
  const Seconds gap = comparison.predicted - comparison.measured;
  const double error = gap / comparison.measured;
  const Json band = {seconds(estimate.band.low), seconds(estimate.band.high)};
  Json document;
  document["log"] = {{"file", path},
                     {"format", name_of(log.format)},
                     {"iterations", std::ssize(log.iterations)},
                     {"warm_up_left_out", comparison.warm_up},
                     {"other_batch_left_out", comparison.other_batch},
                     {"used", comparison.used}};
  document["rows"] = Json::array({{{"id", path},
                                   {"published_s", seconds(comparison.measured)},
                                   {"predicted_s", seconds(comparison.predicted)},
                                   {"error", error},
                                   {"band_s", band},
                                   {"priced", true},
                                   {"skip_reason", nullptr},
                                   {"assumed", Json::array()}}});
  document["measured_s"] = seconds(comparison.measured);
  document["measured_quartiles_s"] = {seconds(comparison.low), seconds(comparison.high)};
  document["predicted_s"] = seconds(comparison.predicted);
  document["error"] = error;
  document["error_band_s"] = band;
  document["inside_band"] =
      comparison.measured >= estimate.band.low && comparison.measured <= estimate.band.high;
  document["gap_s"] = seconds(gap);
  document["parts"] = parts_json(comparison);
  document["error_if_alone"] = alone_json(comparison, estimate.step.breakdown);
  document["memory"] = memory_json(log, estimate);
  return document;
}

namespace {

std::string time_text(const Json& value) {
  return value.is_null() ? "-" : text_of(value.get<double>() * unit::second);
}

std::string signed_time(const Json& value) {
  if (value.is_null()) {
    return "-";
  }
  const double time = value.get<double>();
  return (time < 0.0 ? "-" : "+") + text_of(std::abs(time) * unit::second);
}

std::string size_text(const Json& value) {
  return value.is_null() ? "-" : text_of(value.get<double>() * unit::byte);
}

std::string signed_percent(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:+.1f} %", 100.0 * value.get<double>());
}

}  // namespace

void print_log(const Json& document, std::ostream& out) {
  const Json& log = document["log"];
  fmt::print(
      out,
      "{}: {} iterations of {}, {} used ({} of warm-up and {} of another batch left out)\n\n",
      log["file"].get<std::string>(),
      log["iterations"].get<std::int64_t>(),
      log["format"].get<std::string>(),
      log["used"].get<std::int64_t>(),
      log["warm_up_left_out"].get<std::int64_t>(),
      log["other_batch_left_out"].get<std::int64_t>());
  fmt::print(out, "{:<22}{:>12}{:>12}{:>12}\n", "", "predicted", "measured", "gap");
  fmt::print(out,
             "{:<22}{:>12}{:>12}{:>12}\n{:<22}{}, {} the 90 % band {} to {}\n",
             "step",
             time_text(document["predicted_s"]),
             time_text(document["measured_s"]),
             signed_time(document["gap_s"]),
             "  error",
             signed_percent(document["error"]),
             document["inside_band"].get<bool>() ? "inside" : "OUTSIDE",
             time_text(document["error_band_s"][0]),
             time_text(document["error_band_s"][1]));
  bool has_timers = false;
  for (const auto& [name, part] : document["parts"].items()) {
    has_timers = has_timers || !part["measured_s"].is_null();
    fmt::print(out,
               "  {:<20}{:>12}{:>12}{:>12}\n",
               name,
               time_text(part["predicted_s"]),
               time_text(part["measured_s"]),
               signed_time(part["gap_s"]));
  }
  if (!has_timers) {
    fmt::print(out,
               "the log has no timers (Megatron-LM: --timing-log-level 1), so parts are not "
               "measured\n");
  }
  fmt::print(out, "\nif one part alone made the gap, it would take\n");
  constexpr double most = 10.0;  // nothing is that far off by itself
  for (const auto& [name, share] : document["error_if_alone"].items()) {
    if (share.is_null() || std::abs(share.get<double>()) <= most) {
      fmt::print(out, "  {:<20}{:>12} of its prediction\n", name, signed_percent(share));
    }
  }
  const Json& memory = document["memory"];
  fmt::print(out,
             "\n{:<22}{:>12}{:>12}{:>12}\n{:<22}{:>12}{:>12}{:>12}\n",
             "tensor memory",
             size_text(memory["predicted_tensor_bytes"]),
             size_text(memory["most_allocated_bytes"]),
             signed_percent(memory["allocated_error"]),
             "with fragmentation",
             size_text(memory["predicted_reserved_bytes"]),
             size_text(memory["most_reserved_bytes"]),
             signed_percent(memory["reserved_error"]));
}

}  // namespace forerun
