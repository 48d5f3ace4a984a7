// Draws inputs by counter, and carries each sample from compute to copies.
#include "estimator/forecast/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <variant>

#include "estimator/forecast/overhang.hpp"
#include "estimator/forecast/random_stream.hpp"
#include "estimator/forecast/summary.hpp"
#include "units/unit.hpp"

namespace forerun {

namespace {

constexpr std::size_t index_of(Input input) {
  return static_cast<std::size_t>(input);
}

constexpr std::size_t index_of(Output output) {
  return static_cast<std::size_t>(output);
}

/// The value that leaves the result as it is: no ceiling is an infinite one.
double neutral_value(Input input) {
  switch (input) {
    case Input::power_ceiling_flop:
    case Input::chip_ceiling_flop:
    case Input::data_ceiling_flop:
    case Input::latency_ceiling_flop:
      return std::numeric_limits<double>::infinity();
    case Input::training_flop:
    case Input::anchor_flop:
    case Input::growth_per_year:
    case Input::kappa:
    case Input::tokens_per_parameter:
    case Input::tokens_per_person_minute:
    case Input::speed_x_human:
    case Input::training_years:
    case Input::usd_per_flop:
    case Input::price_performance_per_year:
    case Input::joule_per_flop:
    case Input::efficiency_per_year:
    case Input::reversion_year:
      break;
  }
  return 1.0;
}

/// Published projections state their range as two standard deviations either way.
Distribution projected(const Scenario& scenario, double year) {
  constexpr double range_in_sigmas = 2.0;
  const ProjectionRow row = projected_row(scenario.projection, year);
  const double ln10 = std::log(10.0);
  return TwoPieceLognormal{.centre = std::pow(10.0, row.median),
                           .sigma_low = (row.median - row.low) * ln10 / range_in_sigmas,
                           .sigma_high = (row.high - row.median) * ln10 / range_in_sigmas};
}

struct Ceiling {
  Input input;
  Constraint constraint;
};

constexpr std::array<Ceiling, 4> ceilings = {{{Input::power_ceiling_flop, Constraint::power},
                                              {Input::chip_ceiling_flop, Constraint::chips},
                                              {Input::data_ceiling_flop, Constraint::data},
                                              {Input::latency_ceiling_flop, Constraint::latency}}};

CopulaFactor copula_of(const Scenario& scenario) {
  if (scenario.correlations.empty()) {
    return {};
  }
  std::vector<CorrelatedPair> pairs;
  for (const InputCorrelation& correlation : scenario.correlations) {
    pairs.push_back({.first = index_of(correlation.first),
                     .second = index_of(correlation.second),
                     .spearman = correlation.spearman});
  }
  return copula_factor(input_count, pairs);
}

}  // namespace

std::string_view name_of(Output output) {
  constexpr std::array<std::string_view, output_count> names = {"training_flop",
                                                                "parameters",
                                                                "training_tokens",
                                                                "work_years",
                                                                "copies",
                                                                "speed_x_human",
                                                                "cost_usd",
                                                                "power_w"};
  return names.at(index_of(output));
}

std::string_view name_of(Constraint constraint) {
  constexpr std::array<std::string_view, constraint_count> names = {
      "trend", "power", "chips", "data", "latency"};
  return names.at(static_cast<std::size_t>(constraint));
}

void Draws::append(const Draws& later) {
  for (std::size_t i = 0; i < output_count; ++i) {
    columns.at(i).insert(
        columns.at(i).end(), later.columns.at(i).begin(), later.columns.at(i).end());
  }
  binding.insert(binding.end(), later.binding.begin(), later.binding.end());
}

Simulation::Simulation(const Scenario& scenario, double year)
    : year_(year),
      years_since_base_(year - scenario.base_year),
      years_since_price_(year - scenario.price_year),
      years_since_efficiency_(year - scenario.efficiency_year),
      copula_(copula_of(scenario)) {
  check_year(scenario, year);
  const auto has = [&](Input input) { return scenario.inputs.contains(input); };
  has_trend_ = has(Input::anchor_flop);
  has_reversion_ = has(Input::reversion_year);
  for (std::size_t i = 0; i < input_count; ++i) {
    const auto input = static_cast<Input>(i);
    distributions_.at(i) = has(input) ? scenario.inputs.at(input).distribution
                                      : Distribution(Constant{neutral_value(input)});
  }
  if (!scenario.projection.empty()) {
    distributions_[index_of(Input::training_flop)] = projected(scenario, year);
  }
  for (std::size_t i = 0; i < input_count; ++i) {
    if (is_uncertain(static_cast<Input>(i))) {
      uncertain_.push_back(i);
    }
  }
  yields_.fill(true);
  yields_[index_of(Output::copies)] = has(Input::training_years);
  yields_[index_of(Output::speed_x_human)] = has(Input::speed_x_human);
  yields_[index_of(Output::cost_usd)] = has(Input::usd_per_flop);
  yields_[index_of(Output::power_w)] = has(Input::joule_per_flop) && has(Input::training_years);
}

bool Simulation::yields(Output output) const {
  return yields_.at(index_of(output));
}

const Distribution& Simulation::distribution(Input input) const {
  return distributions_.at(index_of(input));
}

bool Simulation::is_uncertain(Input input) const {
  return !std::holds_alternative<Constant>(distribution(input));
}

bool Simulation::has_no_ceiling() const {
  return std::ranges::all_of(ceilings, [this](const Ceiling& ceiling) {
    return std::isinf(median_of(distribution(ceiling.input)));
  });
}

InputValues Simulation::medians() const {
  InputValues values{};
  std::ranges::transform(distributions_, values.begin(), median_of);
  return values;
}

Outcome Simulation::outcome(const InputValues& inputs) const {
  const auto in = [&](Input input) { return inputs[index_of(input)]; };
  double flop = in(Input::training_flop);
  if (has_trend_) {
    const Trend trend{.anchor = in(Input::anchor_flop)*unit::flop,
                      .anchor_year = 0.0,
                      .factor_per_year = in(Input::growth_per_year)};
    if (has_reversion_) {
      const Reversion reversion{.anchor = trend.anchor,
                                .anchor_year = year_ - years_since_base_,
                                .fast_per_year = trend.factor_per_year,
                                .slow_per_year = moore_per_year(),
                                .reversion_year = in(Input::reversion_year)};
      flop = reverting_growth(reversion, year_).in(unit::flop);
    } else {
      flop = growth(trend, years_since_base_).in(unit::flop);
    }
  }
  Constraint binding = Constraint::trend;
  for (const Ceiling& ceiling : ceilings) {
    if (in(ceiling.input) < flop) {
      flop = in(ceiling.input);
      binding = ceiling.constraint;
    }
  }
  const OptimalRun run = optimal_sqrt(
      flop * unit::flop,
      {.tokens_per_parameter = in(Input::tokens_per_parameter), .kappa = in(Input::kappa)},
      in(Input::tokens_per_person_minute));
  const Seconds duration = in(Input::training_years)*unit::year;
  Outcome outcome{.values = {}, .binding = binding};
  const auto set = [&](Output output, double value) { outcome.values[index_of(output)] = value; };
  set(Output::training_flop, flop);
  set(Output::parameters, run.parameters);
  set(Output::training_tokens, run.training_tokens);
  set(Output::work_years, run.work.in(unit::year));
  set(Output::copies, sustained_copies(run.work, duration));
  set(Output::speed_x_human, in(Input::speed_x_human));
  if (yields(Output::cost_usd)) {
    set(Output::cost_usd,
        flop * in(Input::usd_per_flop)*std::pow(in(Input::price_performance_per_year),
                                                -years_since_price_));
  }
  if (yields(Output::power_w)) {
    const Joules energy = flop *
                          in(Input::joule_per_flop)*std::pow(in(Input::efficiency_per_year),
                                                             -years_since_efficiency_) *
                          unit::joule;
    set(Output::power_w, (energy / duration).in(unit::watt));
  }
  return outcome;
}

void Simulation::sample_into(InputValues& values, std::uint64_t seed, std::uint64_t sample) const {
  std::array<double, input_count> normals{};
  std::array<double, 2> uniforms{};
  std::size_t last_pair = input_count;
  for (const std::size_t i : uncertain_) {
    const std::size_t pair = i / 2;
    if (pair != last_pair) {
      uniforms = uniform_pair(seed, sample, static_cast<std::uint32_t>(pair));
      last_pair = pair;
    }
    normals[i] = normal_quantile(uniforms[i % 2]);
  }
  if (copula_.size > 0) {
    copula_.apply(normals);
  }
  for (const std::size_t i : uncertain_) {
    values[i] = value_at(distributions_[i], normals[i]);
  }
}

Draws Simulation::draw(const SampleRange& range) const {
  Draws draws;
  const auto count = static_cast<std::size_t>(range.count);
  for (std::size_t i = 0; i < output_count; ++i) {
    draws.columns[i].resize(yields_[i] ? count : 0);
  }
  draws.binding.resize(count);
  InputValues inputs = medians();
  const auto first = static_cast<std::uint64_t>(range.first);
  for (std::size_t row = 0; row < count; ++row) {
    sample_into(inputs, range.seed, first + row);
    const Outcome result = outcome(inputs);
    for (std::size_t i = 0; i < output_count; ++i) {
      if (yields_[i]) {
        draws.columns[i][row] = result.values[i];
      }
    }
    draws.binding[row] = result.binding;
  }
  return draws;
}

std::vector<double> Simulation::log_work(const SampleRange& range,
                                         std::optional<Input> held) const {
  std::vector<double> logs;
  logs.reserve(static_cast<std::size_t>(range.count));
  const InputValues middle = medians();
  InputValues inputs = middle;
  for (std::int64_t i = 0; i < range.count; ++i) {
    sample_into(inputs, range.seed, static_cast<std::uint64_t>(range.first + i));
    if (held) {
      inputs.at(index_of(*held)) = middle.at(index_of(*held));
    }
    logs.push_back(std::log(outcome(inputs)[Output::work_years]));
  }
  return logs;
}

namespace {

double variance_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = pairwise_sum(values) / count;
  std::vector<double> squares;
  squares.reserve(values.size());
  for (const double value : values) {
    squares.push_back((value - mean) * (value - mean));
  }
  return pairwise_sum(squares) / count;
}

}  // namespace

double variance_share(const Simulation& simulation, Input input, const SampleRange& range) {
  const double all = variance_of(simulation.log_work(range, std::nullopt));
  const double without = variance_of(simulation.log_work(range, input));
  return all > 0.0 ? 1.0 - without / all : 0.0;
}

double work_elasticity(const Simulation& simulation, Input input) {
  constexpr double step = 1e-3;
  const auto log_work = [&](double shift) {
    InputValues values = simulation.medians();
    values.at(index_of(input)) *= std::exp(shift);
    return std::log(simulation.outcome(values)[Output::work_years]);
  };
  return (log_work(step) - log_work(-step)) / (2.0 * step);
}

double work_years_at(const Simulation& simulation, Input input, double level) {
  InputValues values = simulation.medians();
  values.at(index_of(input)) = value_at(simulation.distribution(input), normal_quantile(level));
  return simulation.outcome(values)[Output::work_years];
}

}  // namespace forerun
