#include "estimator/forecast/progress.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr double memory_doubling_years = 4.1;
constexpr double bandwidth_doubling_years = 4.0;

}  // namespace

Seconds term_doubling(const ProgressTerm& term) {
  return std::log(2.0) * term.per_log / term.per_year * unit::year;
}

Seconds combine_doublings(Seconds first, Seconds second) {
  const double per_second = 1.0 / first.in(unit::second) + 1.0 / second.in(unit::second);
  return 1.0 / per_second * unit::second;
}

Seconds compute_doubling(const ProgressTerm& parameters, const ProgressTerm& data) {
  return combine_doublings(term_doubling(parameters), term_doubling(data));
}

double factor_per_year(Seconds doubling) {
  return std::exp2(unit::year / doubling);
}

Flops effective(Flops physical, Seconds doubling, Seconds elapsed) {
  return std::exp2(elapsed / doubling) * physical;
}

Seconds density_doubling(double growth_per_day) {
  return std::log(2.0) / growth_per_day * unit::day;
}

double density(const DensityTrend& trend, double year) {
  const double days = (year - density_epoch) * (unit::year / unit::day);
  return std::exp(trend.growth_per_day * days + trend.level);
}

double reference_parameters(double loss, double tokens, const LossFit& family) {
  const double left = loss - family.irreducible - family.b * std::pow(tokens, -family.beta);
  if (left <= 0.0) {
    return std::numeric_limits<double>::infinity();
  }
  return std::pow(left / family.a, -1.0 / family.alpha);
}

EdgeModel edge_model(const EdgeDevice& device,
                     double year,
                     double bytes_per_parameter,
                     double tokens_per_s,
                     const DensityTrend& trend) {
  const double elapsed = year - device.year;
  EdgeModel model;
  model.device = {std::exp2(elapsed / memory_doubling_years) * device.memory,
                  std::exp2(elapsed / bandwidth_doubling_years) * device.bandwidth,
                  year};
  const double by_memory = model.device.memory.in(unit::byte) / bytes_per_parameter;
  const double by_bandwidth =
      model.device.bandwidth.in(unit::byte / unit::second) / (bytes_per_parameter * tokens_per_s);
  model.bandwidth_binds = by_bandwidth < by_memory;
  model.parameters = std::min(by_memory, by_bandwidth);
  model.equivalent_parameters = density(trend, year) * model.parameters;
  return model;
}

Seconds best_value_window(double growth_per_day) {
  return density_doubling(growth_per_day);
}

}  // namespace forerun
