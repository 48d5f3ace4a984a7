#include "estimator/rehearse/rehearse_json.hpp"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/estimate.hpp"
#include "estimator/profile/build_info.hpp"
#include "estimator/rehearse/sweep_summary.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

Json parts_json(const RehearsedRun& run) {
  Json parts = Json::object();
  for (const ComparedPart& part : compared_parts(run)) {
    parts[std::string(part.name)] = {{"predicted_s", part.predicted.in(unit::second)},
                                     {"measured_s", part.measured.in(unit::second)}};
  }
  return parts;
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

// Null where the profile's kernels were not timed again.
Json speed_json(const PredictedRun& run) {
  if (!run.speed) {
    return nullptr;
  }
  return {{"kernel_time_over_profile", run.speed->factor},
          {"kernels", run.speed->kernels},
          {"share_of_kernel_time", run.speed->share},
          {"predicted_as_profiled_s", run.as_profiled.in(unit::second)}};
}

Json predicted_json(const PredictedRun& run) {
  const Job& job = run.job;
  return {
      {"model", job.model.name},
      {"layers", job.model.layers},
      {"model_layers", run.whole_layers},
      {"layout", text_of(job.layout)},
      {"batch", job.recipe.global_batch},
      {"micro_batch", job.recipe.micro_batch},
      {"seq", job.recipe.sequence},
      {"precision", name_of(job.recipe.precision)},
      {"overlap_predicted", run.overlap == Overlap::on},
      {"inputs", job_json(job)},
      {"provenance",
       {{"measured", run.estimate.provenance.share[0]},
        {"interpolated", run.estimate.provenance.share[1]},
        {"fitted", run.estimate.provenance.share[2]},
        {"datasheet", run.estimate.provenance.share[3]}}},
      {"predicted_s", predicted_step(run).in(unit::second)},
      {"machine_speed", speed_json(run)},
      {"layer_factor", run.factor ? Json(*run.factor) : Json(nullptr)},
      {"predicted_with_factor_s", run.factor ? Json(run.fitted.in(unit::second)) : Json(nullptr)}};
}

Json running_json(const PredictedRun& run) {
  Json entry = predicted_json(run);
  for (const char* const key :
       {"measured_s", "error", "error_with_factor", "parts", "busiest_experts"}) {
    entry[key] = nullptr;
  }
  entry["memory"] = {{"predicted_bytes", predicted_memory_of(run.estimate).in(unit::byte)},
                     {"measured_bytes", nullptr}};
  return entry;
}

Json run_json(const RehearsedRun& run) {
  Json entry = predicted_json(run.predicted);
  entry["measured_s"] = run.measured.in(unit::second);
  entry["error"] = error_of(run);
  entry["error_with_factor"] = run.predicted.factor ? Json(fitted_error_of(run)) : Json(nullptr);
  Json steps = Json::array();
  for (const Seconds step : run.steps) {
    steps.push_back(step.in(unit::second));
  }
  entry["steps_s"] = std::move(steps);
  entry["parts"] = parts_json(run);
  entry["busiest_experts"] = run.busiest_experts ? Json(*run.busiest_experts) : Json(nullptr);
  entry["memory"] = {{"predicted_bytes", run.predicted_memory.in(unit::byte)},
                     {"measured_bytes", run.measured_memory.in(unit::byte)},
                     {"error", run.predicted_memory / run.measured_memory - 1.0}};
  entry["equality"] = equality_json(run);
  return entry;
}

void add_errors(const ErrorSummary& summary, Json& to) {
  to["mape"] = summary.mape;
  to["bias"] = summary.bias;
  to["max"] = summary.worst;
  to["spearman"] = summary.spearman ? Json(*summary.spearman) : Json(nullptr);
}

// The layout of each model that is predicted to be fastest, whole, with the band of its step.
Json planned_json(const std::vector<RehearsedRun>& runs, const StepBand& band) {
  std::map<std::string, const RehearsedRun*> fastest;
  for (const RehearsedRun& run : runs) {
    const RehearsedRun*& best = fastest[run.predicted.job.model.name];
    if (best == nullptr || run.predicted.planned < best->predicted.planned) {
      best = &run;
    }
  }
  Json planned = Json::array();
  for (const auto& [model, run] : fastest) {
    const double step = run->predicted.planned.in(unit::second);
    planned.push_back({{"model", model},
                       {"layers", run->predicted.whole_layers},
                       {"layout", text_of(run->predicted.job.layout)},
                       {"estimate_s", step},
                       {"low_s", step * band.low},
                       {"high_s", step * band.high}});
  }
  return planned;
}

std::string meaning_of(const Sweep& sweep, const StepBand& band, const Json& planned) {
  const auto parts = contributions_of(sweep.runs);
  const auto largest = std::ranges::max_element(parts, {}, &PartContribution::mean_size);
  const bool is_band = sweep.runs.size() >= fewest_for_a_band;
  std::string text = fmt::format(
      "Over {} case{} a step took {:.3f} times its estimate in the mean; {} {:.3f} and {:.3f} "
      "times.",
      sweep.runs.size(),
      sweep.runs.size() == 1 ? "" : "s",
      band.middle,
      is_band ? "90 % of further ones are expected between"
              : "so few do not tell the spread of others: taken between",
      band.low,
      band.high);
  for (const Json& run : planned) {
    text += fmt::format(
        " Planned: {} ({} layers) with {} is estimated at {} a step; read that as "
        "{} to {}.",
        run["model"].get<std::string>(),
        run["layers"].get<std::int64_t>(),
        run["layout"].get<std::string>(),
        text_of(run["estimate_s"].get<double>() * unit::second),
        text_of(run["low_s"].get<double>() * unit::second),
        text_of(run["high_s"].get<double>() * unit::second));
  }
  text += fmt::format(
      " Most of the error is in {}: {:+.1f} % of the step in the mean, {:.1f} % by "
      "size.",
      largest->name,
      100.0 * largest->mean,
      100.0 * largest->mean_size);
  return text;
}

void add_meaning(const Sweep& sweep, Json& document) {
  const StepBand band = band_of(sweep.runs);
  document["step_over_estimate"] = {{"low", band.low}, {"mean", band.middle}, {"high", band.high}};
  document["planned"] = planned_json(sweep.runs, band);
  Json parts = Json::object();
  for (const PartContribution& part : contributions_of(sweep.runs)) {
    parts[std::string(part.name)] = {{"mean", part.mean}, {"mean_size", part.mean_size}};
  }
  document["error_by_part"] = std::move(parts);
  document["meaning"] = meaning_of(sweep, band, document["planned"]);
}

}  // namespace

Json to_json(const Sweep& sweep) {
  Json document = document_head();
  document["cases"] = sweep.cases;
  document["complete"] = !sweep.running && sweep.runs.size() == sweep.cases;
  document["runs"] = Json::array();
  for (const RehearsedRun& run : sweep.runs) {
    document["runs"].push_back(run_json(run));
  }
  if (sweep.running) {
    document["runs"].push_back(running_json(*sweep.running));
  }
  document["left_out"] = Json::array();
  for (const LeftOutCase& left : sweep.left_out) {
    document["left_out"].push_back({{"case", left.name}, {"reason", left.reason}});
  }
  if (sweep.runs.empty()) {
    for (const char* const key :
         {"mape", "bias", "max", "spearman", "as_profiled", "with_factor"}) {
      document[key] = nullptr;
    }
    return document;
  }
  add_errors(summary_of(sweep.runs, plain_prediction), document);
  document["as_profiled"] = nullptr;
  if (std::ranges::any_of(
          sweep.runs, [](const RehearsedRun& run) { return run.predicted.speed.has_value(); })) {
    Json profiled = Json::object();
    add_errors(summary_of(sweep.runs, profiled_prediction), profiled);
    document["as_profiled"] = std::move(profiled);
  }
  document["with_factor"] = nullptr;
  if (std::ranges::all_of(
          sweep.runs, [](const RehearsedRun& run) { return run.predicted.factor.has_value(); })) {
    Json fitted = Json::object();
    add_errors(summary_of(sweep.runs, fitted_prediction), fitted);
    document["with_factor"] = std::move(fitted);
  }
  add_meaning(sweep, document);
  return document;
}

}  // namespace forerun
