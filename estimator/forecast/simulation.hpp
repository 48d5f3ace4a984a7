// Monte Carlo over a scenario's inputs: the same draws for any split of the samples.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "estimator/forecast/copula.hpp"
#include "estimator/forecast/scenario.hpp"

namespace forerun {

/// What one sample yields.
enum class Output : std::size_t {
  training_flop,
  parameters,
  training_tokens,
  work_years,  ///< round the clock
  copies,      ///< concurrent, for as long as the training took
  speed_x_human,
  cost_usd,
  power_w,
};
inline constexpr std::size_t output_count = 8;
[[nodiscard]] std::string_view name_of(Output output);

/// What limits the training compute of a sample.
enum class Constraint : std::uint8_t { trend, power, chips, data, latency };
inline constexpr std::size_t constraint_count = 5;
[[nodiscard]] std::string_view name_of(Constraint constraint);

/// A value of each input, by its position; inputs that a scenario lacks are neutral.
using InputValues = std::array<double, input_count>;

struct Outcome {
  std::array<double, output_count> values;
  Constraint binding;

  [[nodiscard]] double operator[](Output output) const {
    return values.at(static_cast<std::size_t>(output));
  }
};

/// Consecutive samples, one column an output.
struct Draws {
  std::array<std::vector<double>, output_count> columns;
  std::vector<Constraint> binding;

  [[nodiscard]] const std::vector<double>& operator[](Output output) const {
    return columns.at(static_cast<std::size_t>(output));
  }

  /// `later` are the samples that follow: together they are what one draw would have been.
  void append(const Draws& later);
};

struct SampleRange {
  std::uint64_t seed;
  std::int64_t first;
  std::int64_t count;
};

class Simulation {
 public:
  /// Throws InputError if the scenario has no data for the year.
  Simulation(const Scenario& scenario, double year);

  /// Whether the scenario has a source for this output.
  [[nodiscard]] bool yields(Output output) const;
  /// The distribution of an input in this year; a constant where the scenario lacks it.
  [[nodiscard]] const Distribution& distribution(Input input) const;
  [[nodiscard]] bool is_uncertain(Input input) const;

  [[nodiscard]] bool has_no_ceiling() const;

  [[nodiscard]] bool was_repaired() const { return copula_.was_repaired; }

  [[nodiscard]] InputValues medians() const;
  [[nodiscard]] Outcome outcome(const InputValues& inputs) const;
  [[nodiscard]] Draws draw(const SampleRange& range) const;
  /// ln work of the same samples, with `held` at its median if there is one.
  [[nodiscard]] std::vector<double> log_work(const SampleRange& range,
                                             std::optional<Input> held) const;

 private:
  /// Overwrites the uncertain inputs of `values`.
  void sample_into(InputValues& values, std::uint64_t seed, std::uint64_t sample) const;

  double year_ = 0.0;
  double years_since_base_;
  double years_since_price_;
  double years_since_efficiency_;
  bool has_reversion_ = false;
  bool has_trend_ = false;
  std::array<bool, output_count> yields_{};
  std::array<Distribution, input_count> distributions_;
  std::vector<std::size_t> uncertain_;  ///< positions of the inputs that vary
  CopulaFactor copula_;
};

/// d ln(work) / d ln(input) at the medians, by a central difference.
[[nodiscard]] double work_elasticity(const Simulation& simulation, Input input);

/// By how much the variance of ln work falls when `input` stays at its median, as a share: what it
/// alone contributes where inputs are independent. Uses the same samples with and without.
[[nodiscard]] double variance_share(const Simulation& simulation,
                                    Input input,
                                    const SampleRange& range);

/// Work-years with `input` at its level `level` and every other input at its median.
[[nodiscard]] double work_years_at(const Simulation& simulation, Input input, double level);

}  // namespace forerun
