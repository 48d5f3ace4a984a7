#include "estimator/validate/validate_training.hpp"

#include <atomic>
#include <cmath>
#include <map>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "estimator/validate/memory_comparison.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

Json unpriced_json(const std::vector<RowPrediction>& predictions) {
  std::map<std::pair<std::string, std::string>, std::int64_t> reasons;
  for (const RowPrediction& prediction : predictions) {
    if (!is_priced(prediction.row)) {
      ++reasons[{prediction.facts.source, prediction.row.skip_reason}];
    }
  }
  Json json = Json::array();
  for (const auto& [reason, count] : reasons) {
    json.push_back({{"source", reason.first}, {"reason", reason.second}, {"rows", count}});
  }
  return json;
}

Json baseline_json(const std::string& set, const std::vector<const RowPrediction*>& members) {
  std::vector<Observation> observations;
  double error = 0.0;
  for (const RowPrediction* member : members) {
    const ValidationRow& row = member->row;
    observations.push_back({*member->facts.features, row.published->in(unit::second)});
    error += std::abs(*row.predicted / *row.published - 1.0);
  }
  const BaselineErrors errors = baseline_errors(observations);
  const auto& linear = errors.linear_leave_one_size_out;
  return {{"name", set},
          {"rows", members.size()},
          {"mape", error / static_cast<double>(members.size())},
          {"constant_hfu_mape", errors.constant_hfu},
          {"constant_hfu_bubble_mape", errors.constant_hfu_bubble},
          {"linear_leave_one_size_out_mape", linear ? Json(*linear) : Json(nullptr)}};
}

void add_facts(const RowFacts& facts, Json& row) {
  if (!facts.breakdown) {
    return;
  }
  row["software"] = facts.software;
  row["breakdown_s"] = breakdown_json(*facts.breakdown);
  row["feasible"] = facts.is_feasible;
  row["error_band_class"] = facts.job_class;
  row["own_error"] = facts.own_error;
  row["host_per_launch_s"] = facts.host_per_launch.in(unit::second);
  row["host_label"] = facts.host_per_launch == Seconds() ? "none"
                      : facts.is_host_assumed            ? "assumed"
                                                         : "calibrated";
}

// Per set, and over all rows that have what baselines need.
Json baselines_json(const std::vector<RowPrediction>& predictions) {
  std::map<std::string, std::vector<const RowPrediction*>> sets;
  for (const RowPrediction& prediction : predictions) {
    if (is_priced(prediction.row) && prediction.facts.features) {
      sets["all"].push_back(&prediction);
      if (!prediction.facts.set.empty()) {
        sets[prediction.facts.set].push_back(&prediction);
      }
    }
  }
  Json json = Json::array();
  for (const auto& [set, members] : sets) {
    json.push_back(baseline_json(set, members));
  }
  return json;
}

}  // namespace

std::vector<RowPrediction> validate_training(const std::vector<TrainingRow>& rows,
                                             const HostCosts& host_costs) {
  std::vector<RowPrediction> predictions(rows.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    RowPredictor predictor(host_costs);
    for (std::size_t i = next++; i < rows.size(); i = next++) {
      predictions[i] = predictor.predict(rows[i]);
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned thread = 1; thread < std::thread::hardware_concurrency(); ++thread) {
    threads.emplace_back(work);
  }
  work();
  threads.clear();
  return predictions;
}

std::vector<DerivedTerm> terms_of(const std::vector<RowPrediction>& predictions) {
  std::vector<TermObservation> observations;
  for (const RowPrediction& prediction : predictions) {
    if (is_priced(prediction.row)) {
      const double ratio = *prediction.row.published / *prediction.row.predicted;
      observations.push_back({prediction.facts.job_class,
                              source_family(prediction.facts.source),
                              std::max(ratio, 1.0 / ratio) - 1.0,
                              prediction.facts.own_error});
    }
  }
  return derive_terms(observations);
}

Json to_json(const std::vector<RowPrediction>& predictions) {
  Validation validation;
  for (const RowPrediction& prediction : predictions) {
    validation.rows.push_back(prediction.row);
  }
  Json document = to_json(validation);
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    add_facts(predictions[i].facts, document["rows"][i]);
  }
  document["memory"] = memory_json(validation.rows);
  document["baselines"] = baselines_json(predictions);
  document["unpriced"] = unpriced_json(predictions);
  return document;
}

}  // namespace forerun
