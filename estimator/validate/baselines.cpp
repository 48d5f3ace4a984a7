#include "estimator/validate/baselines.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "estimator/validate/nonnegative_fit.hpp"
#include "jobs/parameter_count.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

/// One device's links, bytes per second.
struct Links {
  double within = 0.0;
  double between = 0.0;
};

Links links_of(const Cluster& cluster) {
  const auto rate = [](const LinkLevel& level) {
    return level.bandwidth.in(unit::byte / unit::second);
  };
  return {rate(cluster.levels.front()), rate(cluster.levels.back())};
}

// 2 (n - 1) / n: what each rank of an all-reduce sends, of the whole.
double ring_share(std::int64_t ranks) {
  return 2.0 * (real(ranks) - 1.0) / real(ranks);
}

std::optional<double> peak_of(const JobEstimate& estimate) {
  return estimate.peak ? std::optional(estimate.peak->in(unit::flop / unit::second)) : std::nullopt;
}

double mean_error(const std::vector<double>& ratios) {
  double sum = 0.0;
  for (const double ratio : ratios) {
    sum += std::abs(ratio - 1.0);
  }
  return sum / real(std::ssize(ratios));
}

// The factor on `ratios` (predicted / published) that makes the mean |factor * ratio - 1| least:
// one of the kinks 1 / ratio.
double least_mean_error(const std::vector<double>& ratios) {
  double best = mean_error(ratios);
  for (const double kink : ratios) {
    std::vector<double> scaled = ratios;
    std::ranges::transform(scaled, scaled.begin(), [&](double ratio) { return ratio / kink; });
    best = std::min(best, mean_error(scaled));
  }
  return best;
}

std::vector<double> relative_terms(const Observation& observation) {
  std::vector<double> terms;
  for (const double term : observation.features.terms) {
    terms.push_back(term / observation.published_s);
  }
  return terms;
}

std::optional<double> leave_one_size_out(const std::vector<Observation>& observations) {
  std::map<double, std::vector<const Observation*>> sizes;
  for (const Observation& observation : observations) {
    sizes[observation.features.parameters].push_back(&observation);
  }
  if (sizes.size() < 2) {
    return std::nullopt;
  }
  std::vector<double> ratios;
  for (const auto& [size, members] : sizes) {
    std::vector<std::vector<double>> rows;
    for (const Observation& other : observations) {
      if (other.features.parameters != size) {
        rows.push_back(relative_terms(other));
      }
    }
    const auto fitted = nonnegative_fit(rows, std::vector<double>(rows.size(), 1.0));
    for (const Observation* member : members) {
      const auto terms = relative_terms(*member);
      ratios.push_back(std::inner_product(terms.begin(), terms.end(), fitted.begin(), 0.0));
    }
  }
  return mean_error(ratios);
}

}  // namespace

std::optional<StepFeatures> features_of(const JobEstimate& estimate) {
  const auto peak = peak_of(estimate);
  if (!peak) {
    return std::nullopt;
  }
  const Job& job = estimate.request.job;
  const Cluster& cluster = estimate.request.hardware.cluster;
  const ParallelLayout& layout = job.layout;
  const Links links = links_of(cluster);
  const double m = real(micro_batches(job));
  const double model_ranks = real(layout.tensor * layout.pipeline);
  const double tokens = real(job.recipe.micro_batch * job.recipe.sequence / layout.context);
  const double activation = 2.0 * tokens * real(job.model.hidden);  // 16-bit
  const double layers = real(job.model.layers) / real(layout.pipeline);
  const double head =
      6.0 * m * tokens * real(job.model.hidden) * real(job.model.vocabulary) / real(layout.tensor);
  const double tensor_bytes = 4.0 * ring_share(layout.tensor) * m * layers * activation;
  const bool is_within = layout.tensor <= cluster.devices_per_node;
  const auto parameters = static_cast<double>(count_parameters(job.model).total);

  StepFeatures features;
  features.parameters = parameters;
  features.flop_seconds =
      estimate.step.hardware_flops.in(unit::flop) / real(estimate.devices) / *peak;
  features.bubble = (real(layout.pipeline) - 1.0) / (real(layout.virtual_pipeline) * m);
  const double fill = 1.0 + features.bubble;
  features.terms = {
      std::max(0.0, features.flop_seconds - head / *peak / real(layout.pipeline)) * fill,
      head / *peak,
      is_within ? tensor_bytes / links.within : 0.0,
      is_within ? 0.0 : tensor_bytes / links.between,
      ring_share(layout.data) * 2.0 * parameters / model_ranks / links.between,
      layout.pipeline > 1 ? 2.0 * m * real(layout.virtual_pipeline) * activation / links.between
                          : 0.0,
      1e-3 * m * layers * fill,
      30.0 * parameters / model_ranks /
          cluster.device.memory_bandwidth.in(unit::byte / unit::second)};
  return features;
}

BaselineErrors baseline_errors(const std::vector<Observation>& observations) {
  std::vector<double> plain;
  std::vector<double> with_bubble;
  for (const Observation& observation : observations) {
    const StepFeatures& features = observation.features;
    plain.push_back(features.flop_seconds / observation.published_s);
    with_bubble.push_back(plain.back() * (1.0 + features.bubble));
  }
  if (observations.empty()) {
    return {};
  }
  return {least_mean_error(plain), least_mean_error(with_bubble), leave_one_size_out(observations)};
}

}  // namespace forerun
