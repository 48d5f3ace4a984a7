// The scenarios that are compiled in, and the names of their inputs.
#include "estimator/forecast/scenario.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {

std::span<const CatalogFile> embedded_scenarios();

namespace {

constexpr std::array<std::string_view, input_count> input_names = {"training_flop",
                                                                   "anchor_flop",
                                                                   "growth_per_year",
                                                                   "kappa",
                                                                   "tokens_per_parameter",
                                                                   "tokens_per_person_minute",
                                                                   "speed_x_human",
                                                                   "training_years",
                                                                   "power_ceiling_flop",
                                                                   "chip_ceiling_flop",
                                                                   "data_ceiling_flop",
                                                                   "latency_ceiling_flop",
                                                                   "usd_per_flop",
                                                                   "price_performance_per_year",
                                                                   "joule_per_flop",
                                                                   "efficiency_per_year",
                                                                   "reversion_year"};

}  // namespace

std::string_view name_of(Input input) {
  return input_names.at(static_cast<std::size_t>(input));
}

std::optional<Input> input_from(std::string_view name) {
  const auto* const found = std::ranges::find(input_names, name);
  if (found == input_names.end()) {
    return std::nullopt;
  }
  return static_cast<Input>(found - input_names.begin());
}

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const CatalogFile& file : embedded_scenarios()) {
    names.emplace_back(file.name);
  }
  return names;
}

namespace {

// A scenario of the user's own, named after its file.
Scenario scenario_in(const std::string& path) {
  const std::string text = text_of_file(path, largest::config, "a scenario .toml");
  const std::string name = path.substr(0, path.size() - std::string_view(".toml").size());
  return read_scenario({name, text});
}

}  // namespace

Scenario scenario_named(std::string_view name) {
  if (name.ends_with(".toml")) {
    return scenario_in(std::string(name));
  }
  const auto files = embedded_scenarios();
  const auto found = std::ranges::find(files, name, &CatalogFile::name);
  if (found == files.end()) {
    const auto names = scenario_names();
    throw InputError("--scenario",
                     fmt::format("'{}' is no scenario, expected {}; nearest is '{}'",
                                 name,
                                 listed(names),
                                 nearest(name, names)));
  }
  return read_scenario(*found);
}

void check_year(const Scenario& scenario, double year) {
  if (year >= scenario.first_year && year <= scenario.last_year) {
    return;
  }
  const bool is_one_year = scenario.first_year == scenario.last_year;
  const double nearest_year = std::clamp(year, scenario.first_year, scenario.last_year);
  throw InputError("--year",
                   is_one_year
                       ? fmt::format("{} is outside scenario '{}', whose data are for {} only",
                                     year,
                                     scenario.name,
                                     scenario.first_year)
                       : fmt::format("{} is outside scenario '{}', whose data run from {} to {}; "
                                     "nearest is {}",
                                     year,
                                     scenario.name,
                                     scenario.first_year,
                                     scenario.last_year,
                                     nearest_year));
}

}  // namespace forerun
