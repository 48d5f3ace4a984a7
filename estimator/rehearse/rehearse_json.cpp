#include "estimator/rehearse/rehearse_json.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/estimate.hpp"
#include "estimator/profile/build_info.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

Json side_by_side(Seconds predicted, Seconds measured) {
  return {{"predicted_s", predicted.in(unit::second)}, {"measured_s", measured.in(unit::second)}};
}

Json parts_json(const RehearsedRun& run) {
  const StepBreakdown& predicted = run.predicted.estimate.breakdown;
  const StepMeasurement& measured = run.parts;
  return {{"compute", side_by_side(predicted.compute, measured.compute)},
          {"recompute", side_by_side(predicted.recompute, measured.recompute)},
          {"tensor_parallel", side_by_side(predicted.tensor_parallel, measured.tensor_parallel)},
          {"pipeline_wait",
           side_by_side(predicted.bubble + predicted.pipeline_p2p, measured.pipeline_wait)},
          {"data_parallel", side_by_side(predicted.data_parallel, measured.data_parallel)},
          {"optimizer", side_by_side(predicted.optimizer, measured.optimizer)},
          {"host", side_by_side(Seconds(), measured.host)}};
}

Json equality_json(const RehearsedRun& run) {
  if (!run.equality) {
    return {{"equal", nullptr}, {"note", run.equality_note}};
  }
  const EqualityReport& report = *run.equality;
  return {{"equal", report.equal},
          {"tolerance", report.tolerance},
          {"replicas_agree", report.replicas_agree},
          {"loss", report.first_loss},
          {"one_rank_loss", report.reference_first_loss},
          {"second_step_loss", report.second_loss},
          {"one_rank_second_step_loss", report.reference_second_loss},
          {"worst_gradient_error", report.worst_gradient_error},
          {"worst_gradient", report.worst_tensor}};
}

Json head_of(const Job& job) {
  return {{"model", job.model.name},
          {"layout", text_of(job.layout)},
          {"batch", job.recipe.global_batch},
          {"micro_batch", job.recipe.micro_batch},
          {"seq", job.recipe.sequence},
          {"precision", name_of(job.recipe.precision)},
          {"inputs", job_json(job)}};
}

double error_of(const RehearsedRun& run) {
  return total_of(run.predicted.estimate.breakdown) / run.measured - 1.0;
}

// Ranks from 0, ties share their mean rank.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<double> ranks;
  for (const double value : values) {
    const auto below = std::ranges::count_if(values, [&](double other) { return other < value; });
    const auto same = std::ranges::count(values, value);
    ranks.push_back(static_cast<double>(below) + 0.5 * (static_cast<double>(same) - 1.0));
  }
  return ranks;
}

// Spearman's rank correlation of predicted and measured; null below three runs or without spread.
Json spearman(const std::vector<RehearsedRun>& runs) {
  std::vector<double> predicted;
  std::vector<double> measured;
  for (const RehearsedRun& run : runs) {
    predicted.push_back(total_of(run.predicted.estimate.breakdown).in(unit::second));
    measured.push_back(run.measured.in(unit::second));
  }
  const auto a = ranks_of(predicted);
  const auto b = ranks_of(measured);
  const double mean = (static_cast<double>(a.size()) - 1.0) / 2.0;
  double ab = 0.0;
  double aa = 0.0;
  double bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return runs.size() < 3 || aa * bb == 0.0 ? Json(nullptr) : Json(ab / std::sqrt(aa * bb));
}

std::string text(const Json& value) {
  return value.is_null() ? "-" : text_of(value.get<double>() * unit::second);
}

void print_run(const Json& run, std::ostream& out) {
  fmt::print(out,
             "\n{} {}: batch {} x {} tokens, micro-batch {}, {}\n",
             run["model"].get<std::string>(),
             run["layout"].get<std::string>(),
             run["batch"].get<std::int64_t>(),
             run["seq"].get<std::int64_t>(),
             run["micro_batch"].get<std::int64_t>(),
             run["precision"].get<std::string>());
  fmt::print(out, "  {:<16} {:>10} {:>10} {:>8}\n", "", "predicted", "measured", "error");
  fmt::print(out,
             "  {:<16} {:>10} {:>10} {:>+7.1f}%\n",
             "step",
             text(run["predicted_s"]),
             text(run["measured_s"]),
             100.0 * run["error"].get<double>());
  for (const auto& [part, times] : run["parts"].items()) {
    fmt::print(out,
               "    {:<14} {:>10} {:>10}\n",
               part,
               text(times["predicted_s"]),
               text(times["measured_s"]));
  }
  const Json& memory = run["memory"];
  fmt::print(out,
             "  {:<16} {:>10} {:>10}\n",
             "tensor memory",
             text_of(memory["predicted_bytes"].get<double>() * unit::byte),
             text_of(memory["measured_bytes"].get<double>() * unit::byte));
  const Json& equality = run["equality"];
  if (equality["equal"].is_null()) {
    fmt::print(out, "  equality with one rank: {}\n", equality["note"].get<std::string>());
    return;
  }
  fmt::print(
      out,
      "  {} with the one-rank step at {:.0e}: loss {:.6f} and {:.6f}, after one update {:.6f} "
      "and {:.6f}; worst gradient {:.1e} ({})\n",
      equality["equal"].get<bool>() ? "EQUAL" : "NOT EQUAL",
      equality["tolerance"].get<double>(),
      equality["loss"].get<double>(),
      equality["one_rank_loss"].get<double>(),
      equality["second_step_loss"].get<double>(),
      equality["one_rank_second_step_loss"].get<double>(),
      equality["worst_gradient_error"].get<double>(),
      equality["worst_gradient"].get<std::string>());
}

}  // namespace

Json prediction_json(const std::vector<PredictedRun>& runs) {
  Json document = document_head();
  document["runs"] = Json::array();
  for (const PredictedRun& run : runs) {
    Json entry = head_of(run.job);
    entry["predicted_s"] = total_of(run.estimate.breakdown).in(unit::second);
    entry["measured_s"] = nullptr;
    entry["error"] = nullptr;
    document["runs"].push_back(std::move(entry));
  }
  return document;
}

Json to_json(const std::vector<RehearsedRun>& runs) {
  Json document = document_head();
  document["runs"] = Json::array();
  double absolute = 0.0;
  double bias = 0.0;
  for (const RehearsedRun& run : runs) {
    Json entry = head_of(run.predicted.job);
    entry["predicted_s"] = total_of(run.predicted.estimate.breakdown).in(unit::second);
    entry["measured_s"] = run.measured.in(unit::second);
    entry["error"] = error_of(run);
    Json steps = Json::array();
    for (const Seconds step : run.steps) {
      steps.push_back(step.in(unit::second));
    }
    entry["steps_s"] = std::move(steps);
    entry["parts"] = parts_json(run);
    entry["memory"] = {{"predicted_bytes", run.predicted_memory.in(unit::byte)},
                       {"measured_bytes", run.measured_memory.in(unit::byte)}};
    entry["equality"] = equality_json(run);
    document["runs"].push_back(std::move(entry));
    absolute += std::abs(error_of(run));
    bias += error_of(run);
  }
  const auto count = static_cast<double>(runs.size());
  document["mape"] = absolute / count;
  document["bias"] = bias / count;
  document["spearman"] = spearman(runs);
  return document;
}

void print_rehearsal(const Json& document, std::ostream& out) {
  for (const Json& run : document["runs"]) {
    print_run(run, out);
  }
  fmt::print(out,
             "\nmean error {:.1f} %, bias {:+.1f} %, over {} runs\n",
             100.0 * document["mape"].get<double>(),
             100.0 * document["bias"].get<double>(),
             document["runs"].size());
}

}  // namespace forerun
