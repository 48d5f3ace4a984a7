#include "estimator/rehearse/sweep_summary.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/measure/line_fit.hpp"
#include "units/rank_correlation.hpp"
#include "units/unit.hpp"

namespace forerun {

std::vector<ComparedPart> compared_parts(const RehearsedRun& run) {
  const StepBreakdown& predicted = run.predicted.estimate.breakdown;
  const StepMeasurement& measured = run.parts;
  return {{"forward", run.predicted.forward, measured.forward},
          {"backward",
           predicted.compute - run.predicted.forward + predicted.contention,
           measured.backward},
          {"recompute", predicted.recompute, measured.recompute},
          {"tensor_parallel", predicted.tensor_parallel, measured.tensor_parallel},
          {"context_parallel", predicted.context_parallel, measured.context_parallel},
          {"expert_parallel", predicted.expert_parallel, measured.expert_parallel},
          {"pipeline_wait", predicted.bubble + predicted.pipeline_p2p, measured.pipeline_wait},
          {"data_parallel", predicted.data_parallel, measured.data_parallel},
          {"optimizer", predicted.optimizer, measured.optimizer},
          {"host", predicted.host + predicted.straggler, measured.host}};
}

double error_of(const RehearsedRun& run) {
  return plain_prediction(run) / run.measured - 1.0;
}

double fitted_error_of(const RehearsedRun& run) {
  return run.predicted.fitted / run.measured - 1.0;
}

Seconds plain_prediction(const RehearsedRun& run) {
  return predicted_step(run.predicted);
}

Seconds profiled_prediction(const RehearsedRun& run) {
  return run.predicted.as_profiled;
}

Seconds fitted_prediction(const RehearsedRun& run) {
  return run.predicted.fitted;
}

ErrorSummary summary_of(const std::vector<RehearsedRun>& runs,
                        Seconds (*predicted)(const RehearsedRun&)) {
  ErrorSummary summary;
  std::vector<double> said;
  std::vector<double> took;
  for (const RehearsedRun& run : runs) {
    const double error = predicted(run) / run.measured - 1.0;
    summary.mape += std::abs(error) / static_cast<double>(runs.size());
    summary.bias += error / static_cast<double>(runs.size());
    summary.worst = std::max(summary.worst, std::abs(error));
    said.push_back(predicted(run).in(unit::second));
    took.push_back(run.measured.in(unit::second));
  }
  constexpr std::size_t fewest = 3;  // two are in order or not
  summary.spearman = runs.size() < fewest ? std::nullopt : spearman(said, took);
  return summary;
}

StepBand band_of(const std::vector<RehearsedRun>& runs) {
  if (runs.empty()) {
    return {};
  }
  std::vector<double> ratios;
  double mean = 0.0;
  for (const RehearsedRun& run : runs) {
    ratios.push_back(std::log(run.measured / plain_prediction(run)));
    mean += ratios.back() / static_cast<double>(runs.size());
  }
  if (runs.size() < fewest_for_a_band) {
    const auto [least, most] = std::ranges::minmax(ratios);
    return {std::min(1.0, std::exp(least)), std::exp(mean), std::max(1.0, std::exp(most))};
  }
  double squares = 0.0;
  for (const double ratio : ratios) {
    squares += (ratio - mean) * (ratio - mean);
  }
  const auto count = static_cast<double>(runs.size());
  const double half = student_t(0.9, static_cast<int>(runs.size()) - 1) *
                      std::sqrt(squares / (count - 1.0)) * std::sqrt(1.0 + 1.0 / count);
  return {std::exp(mean - half), std::exp(mean), std::exp(mean + half)};
}

std::vector<PartContribution> contributions_of(const std::vector<RehearsedRun>& runs) {
  std::vector<PartContribution> sums;
  for (const RehearsedRun& run : runs) {
    const auto parts = compared_parts(run);
    sums.resize(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const double share = (parts[i].predicted - parts[i].measured) / run.measured;
      sums[i].name = parts[i].name;
      sums[i].mean += share / static_cast<double>(runs.size());
      sums[i].mean_size += std::abs(share) / static_cast<double>(runs.size());
    }
  }
  return sums;
}

}  // namespace forerun
