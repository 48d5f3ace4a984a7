// A scenario of the future: its uncertain inputs, each with distribution, level and source.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/forecast/distribution.hpp"
#include "estimator/forecast/trend.hpp"
#include "units/catalog_file.hpp"

namespace forerun {

/// What a scenario may make uncertain. The position keys the random stream of the input.
enum class Input : std::size_t {
  training_flop,               ///< C of the year itself; or, instead, the next two
  anchor_flop,                 ///< C in the scenario's base year
  growth_per_year,             ///< factor per year
  kappa,                       ///< forward passes that one training token costs
  tokens_per_parameter,        ///< r
  tokens_per_person_minute,    ///< tau
  speed_x_human,               ///< serial speed of one copy
  training_years,              ///< length of the run; copies = work / training_years
  power_ceiling_flop,          ///< largest C that power allows
  chip_ceiling_flop,           ///< ... that chip production allows
  data_ceiling_flop,           ///< ... that text allows
  latency_ceiling_flop,        ///< ... that latency allows
  usd_per_flop,                ///< in the scenario's price year
  price_performance_per_year,  ///< factor per year
  joule_per_flop,              ///< in the scenario's efficiency year
  efficiency_per_year,         ///< factor per year
  reversion_year,              ///< R, where growth_per_year falls back to Moore's law
};
inline constexpr std::size_t input_count = 17;

/// The name in scenario files and results, "tokens_per_parameter".
[[nodiscard]] std::string_view name_of(Input input);
[[nodiscard]] std::optional<Input> input_from(std::string_view name);

struct ScenarioInput {
  Distribution distribution;
  std::vector<double> values;  ///< as in the file
  std::vector<double> levels;  ///< probability of lying below each value; weights if discrete
  std::string source;
  std::string as_of;  ///< when that was so: "2024", "2024-08"; unsaid: the scenario's base date
};

/// Rank correlation of two inputs.
struct InputCorrelation {
  Input first;
  Input second;
  double spearman;
};

/// One input set to another value, everything else at its median.
struct ScenarioVariant {
  std::string name;
  Input input;
  double value;
  std::string source;
  std::string as_of;
};

/// A figure that the scenario's source prints; shown beside the computed one, never fitted to.
struct PublishedFigure {
  std::string quantity;
  double centre;
  std::vector<double> range;  ///< empty, or low and high
  std::vector<double> levels;
  std::string note;
  std::string as_of;
};

struct Scenario {
  std::string name;
  std::string title;
  std::string base_date;  ///< date of the youngest number in it
  std::string anchor;     ///< which accounting turns FLOP into people, in words
  double first_year = 0.0;
  double last_year = 0.0;
  double base_year = 0.0;        ///< of anchor_flop
  double price_year = 0.0;       ///< of usd_per_flop
  double efficiency_year = 0.0;  ///< of joule_per_flop
  std::map<Input, ScenarioInput> inputs;
  std::vector<ProjectionRow> projection;  ///< empty, or the source of training_flop by year
  std::string projection_source;
  std::vector<InputCorrelation> correlations;
  std::vector<ScenarioVariant> what_ifs;
  std::vector<PublishedFigure> published;
  std::vector<std::string> notes;
};

[[nodiscard]] std::vector<std::string> scenario_names();
/// One of the catalog, or the user's own: a path that ends in .toml. Throws InputError, naming the
/// nearest, if there is no such scenario.
[[nodiscard]] Scenario scenario_named(std::string_view name);
/// Throws InputError with file and line if the text is no complete scenario.
[[nodiscard]] Scenario read_scenario(const CatalogFile& file);
/// Throws InputError if the scenario has no data for the year.
void check_year(const Scenario& scenario, double year);

}  // namespace forerun
