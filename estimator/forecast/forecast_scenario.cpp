// Turns the draws of a scenario into the forecast's document.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "estimator/forecast/consequences.hpp"
#include "estimator/forecast/forecast.hpp"
#include "estimator/forecast/learning.hpp"
#include "estimator/forecast/overhang.hpp"
#include "estimator/forecast/simulation.hpp"
#include "estimator/forecast/summary.hpp"
#include "units/input_error.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Summary& summary) {
  return {{"p5", summary.p5},
          {"p25", summary.p25},
          {"p50", summary.p50},
          {"p75", summary.p75},
          {"p95", summary.p95},
          {"mean", summary.mean}};
}

/// Of bins and of what lies outside them the shares sum to 1.
Json json_of(const Histogram& histogram) {
  Json bins = Json::array();
  for (std::size_t i = 0; i < histogram.shares.size(); ++i) {
    bins.push_back({{"from", histogram.edges.at(i)},
                    {"to", histogram.edges.at(i + 1)},
                    {"share", histogram.shares.at(i)}});
  }
  return {{"below", histogram.below}, {"above", histogram.above}, {"bins", std::move(bins)}};
}

/// The inputs as the scenario states them: distribution, numbers, their levels and the source.
Json inputs_of(const Scenario& scenario) {
  Json inputs = Json::object();
  for (const auto& [input, entry] : scenario.inputs) {
    Json& row = inputs[std::string(name_of(input))];
    row["distribution"] = name_of(entry.distribution);
    row["values"] = entry.values;
    const bool is_discrete = std::holds_alternative<Discrete>(entry.distribution);
    row[is_discrete ? "weights" : "levels"] = entry.levels;
    row["median"] = median_of(entry.distribution);
    row["as_of"] = entry.as_of;
    row["source"] = entry.source;
  }
  return inputs;
}

Json projection_of(const Scenario& scenario, double year) {
  const ProjectionRow row = projected_row(scenario.projection, year);
  return {{"log10_flop_minus_2sd", row.low},
          {"log10_flop_median", row.median},
          {"log10_flop_plus_2sd", row.high},
          {"source", scenario.projection_source}};
}

/// Each uncertain input alone: what its 90 % interval does to the work, and how steeply.
Json sensitivity_of(const Simulation& simulation, const ScenarioOptions& options) {
  // Shares are known to a percent from so many.
  constexpr std::int64_t most_samples = 100'000;
  const SampleRange range{options.seed, 0, std::min(options.samples, most_samples)};
  Json rows = Json::array();
  for (std::size_t i = 0; i < input_count; ++i) {
    const auto input = static_cast<Input>(i);
    if (simulation.is_uncertain(input)) {
      rows.push_back({{"input", name_of(input)},
                      {"work_years_at_p5", work_years_at(simulation, input, 0.05)},
                      {"work_years_at_p95", work_years_at(simulation, input, 0.95)},
                      {"elasticity_of_work", work_elasticity(simulation, input)}});
      if (input == Input::reversion_year) {
        rows.back()["elasticity_of_work"] = nullptr;  // a percent of a calendar year means nothing
      }
      if (options.variance_shares) {
        rows.back()["variance_share"] = variance_share(simulation, input, range);
      }
    }
  }
  return rows;
}

Json what_ifs_of(const Scenario& scenario, const Simulation& simulation) {
  Json rows = Json::array();
  for (const ScenarioVariant& what_if : scenario.what_ifs) {
    InputValues values = simulation.medians();
    values.at(static_cast<std::size_t>(what_if.input)) = what_if.value;
    const Outcome outcome = simulation.outcome(values);
    rows.push_back({{"name", what_if.name},
                    {"input", name_of(what_if.input)},
                    {"value", what_if.value},
                    {"work_years", outcome[Output::work_years]},
                    {"as_of", what_if.as_of},
                    {"source", what_if.source}});
  }
  return rows;
}

Json published_of(const Scenario& scenario) {
  Json rows = Json::array();
  for (const PublishedFigure& figure : scenario.published) {
    Json row = {{"quantity", figure.quantity}, {"centre", figure.centre}};
    if (!figure.range.empty()) {
      row["range"] = figure.range;
      row["levels"] = figure.levels;
    }
    row["as_of"] = figure.as_of;
    row["note"] = figure.note;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Shares of the draws by what limits their compute, and the commonest.
void add_binding(const Draws& draws, Json& document) {
  std::array<double, constraint_count> counts{};
  for (const Constraint constraint : draws.binding) {
    counts.at(static_cast<std::size_t>(constraint)) += 1.0;
  }
  Json shares = Json::object();
  auto commonest = Constraint::trend;
  for (std::size_t i = 0; i < constraint_count; ++i) {
    const auto constraint = static_cast<Constraint>(i);
    shares[std::string(name_of(constraint))] =
        counts.at(i) / static_cast<double>(draws.binding.size());
    if (counts.at(i) > counts.at(static_cast<std::size_t>(commonest))) {
      commonest = constraint;
    }
  }
  document["binding_constraint"] = name_of(commonest);
  document["binding_fraction"] = std::move(shares);
}

/// One key of the document: an output, scaled.
struct Row {
  std::string_view key;
  Output output;
  double factor;
};

void add_quantities(const Simulation& simulation, Draws draws, Json& document, Json& notes) {
  const std::array<Row, 10> rows = {{{"training_flop", Output::training_flop, 1.0},
                                     {"parameters", Output::parameters, 1.0},
                                     {"training_tokens", Output::training_tokens, 1.0},
                                     {"copies", Output::copies, 1.0},
                                     {"work_years", Output::work_years, 1.0},
                                     {"work_years_2000h", Output::work_years, job_years_per_year()},
                                     {"speed_x_human", Output::speed_x_human, 1.0},
                                     {"learning_years_per_day", Output::copies, learning_rate(1.0)},
                                     {"cost_usd", Output::cost_usd, 1.0},
                                     {"power_w", Output::power_w, 1.0}}};
  std::array<Summary, output_count> summaries{};
  constexpr auto work = static_cast<std::size_t>(Output::work_years);
  const std::vector<double> work_years = draws.columns.at(work);
  for (std::size_t i = 0; i < output_count; ++i) {
    if (simulation.yields(static_cast<Output>(i))) {
      summaries.at(i) = summarise(std::move(draws.columns.at(i)));
    }
  }
  for (const Row& row : rows) {
    Json& place = document[std::string(row.key)];
    if (simulation.yields(row.output)) {
      place = json_of(scaled(summaries.at(static_cast<std::size_t>(row.output)), row.factor));
    } else {
      notes.push_back(fmt::format("{} is null: the scenario has no source for it", row.key));
    }
  }
  document["work_years_histogram"] = json_of(histogram(work_years, summaries.at(work)));
  add_binding(draws, document);
}

/// `mine` of every rank joined in the order of ranks, which gave `each` bytes at most.
template <typename Value>
void join(std::vector<Value>& mine, std::size_t each, std::size_t all, Communicator& world) {
  const auto ranks = static_cast<std::size_t>(world.size());
  mine.resize(each);
  std::vector<Value> joined(each * ranks);
  world.all_gather(
      mine.data(), joined.data(), static_cast<std::int64_t>(each * sizeof(Value)), DataType::uint8);
  joined.resize(all);
  mine = std::move(joined);
}

/// Samples are numbered, so that a rank's share of them is what one rank would have drawn there.
Draws drawn(const Simulation& simulation, const ScenarioOptions& options, Communicator* world) {
  const std::int64_t ranks = world != nullptr ? world->size() : 1;
  const std::int64_t each = ceil_div(options.samples, ranks);
  const std::int64_t first = world != nullptr ? std::min(options.samples, each * world->rank()) : 0;
  Draws draws = simulation.draw(
      {.seed = options.seed, .first = first, .count = std::min(each, options.samples - first)});
  if (ranks > 1) {
    const auto share = static_cast<std::size_t>(each);
    const auto all = static_cast<std::size_t>(options.samples);
    for (std::size_t i = 0; i < output_count; ++i) {
      if (simulation.yields(static_cast<Output>(i))) {
        join(draws.columns.at(i), share, all, *world);
      }
    }
    join(draws.binding, share, all, *world);
  }
  return draws;
}

/// Of the anchor, where the scenario has one; else the month of its data, "2023-06", or, where that
/// is written otherwise, the first year that it covers.
double reference_year_of(const Scenario& scenario) {
  if (scenario.base_year > 0.0) {
    return scenario.base_year;
  }
  constexpr double months_per_year = 12.0;
  const double year = std::strtod(scenario.base_date.c_str(), nullptr);
  const std::size_t dash = scenario.base_date.find('-');
  const double month =
      dash == std::string::npos ? 1.0 : std::strtod(&scenario.base_date[dash + 1], nullptr);
  constexpr double first_sensible = 1900.0;
  return year >= first_sensible ? year + (month - 1.0) / months_per_year : scenario.first_year;
}

/// "1.8 million", "340 million", "95 trillion": two digits, or whole.
std::string people_text(double count) {
  constexpr std::array<std::pair<double, const char*>, 3> scales = {
      {{1e12, "trillion"}, {1e9, "billion"}, {1e6, "million"}}};
  const auto* scale =
      std::ranges::find_if(scales, [&](const auto& one) { return count >= one.first; });
  if (scale == scales.end()) {
    scale = std::prev(scales.end());
  }
  const double scaled = count / scale->first;
  constexpr double two_digits = 99.5;
  constexpr double most = 1e6;
  const bool is_whole = scaled >= two_digits && scaled < most;
  return is_whole ? fmt::format("{:.0f} {}", scaled, scale->second)
                  : fmt::format("{:.2g} {}", scaled, scale->second);
}

/// The answer in words: the work, how long it takes, and what moves it most.
std::string reading_of(const Json& document) {
  const Json& work = document["work_years"];
  std::string text =
      fmt::format("a model of {} trained with {:.2g} FLOP: {} work-years (quartiles {} to {})",
                  document["year"].get<double>(),
                  document["training_flop"]["p50"].get<double>(),
                  people_text(work["p50"].get<double>()),
                  people_text(work["p25"].get<double>()),
                  people_text(work["p75"].get<double>()));
  if (const Json& speed = document["speed_x_human"]; !speed.is_null()) {
    text += fmt::format(", a year of it done in {:.2g} months at {:.2g} times human speed",
                        12.0 / speed["p50"].get<double>(),
                        speed["p50"].get<double>());
    const auto wall = document["consequences"]["serial_speed"]["wall_x_human"].get<double>();
    if (wall < speed["p50"].get<double>()) {
      text += fmt::format(" (the latency wall of a dense model of its size is at {:.2g})", wall);
    }
  }
  const Json* widest = nullptr;
  const auto spread = [](const Json& row) {
    return std::abs(
        std::log(row["work_years_at_p95"].get<double>() / row["work_years_at_p5"].get<double>()));
  };
  for (const Json& row : document["sensitivity"]) {
    if (widest == nullptr || spread(row) > spread(*widest)) {
      widest = &row;
    }
  }
  if (widest != nullptr) {
    std::string input = (*widest)["input"].get<std::string>();
    std::ranges::replace(input, '_', ' ');
    text += fmt::format("; {} moves it most, from {} to {} over its 90 %",
                        input,
                        people_text((*widest)["work_years_at_p5"].get<double>()),
                        people_text((*widest)["work_years_at_p95"].get<double>()));
  }
  return text;
}

/// What the reader of this scenario should know before its numbers.
/// @throws InputError when `--strict` meets correlations that contradict each other.
Json notes_of(const Scenario& scenario,
              const Simulation& simulation,
              const ScenarioOptions& options) {
  if (options.strict && simulation.was_repaired()) {
    throw InputError("--strict",
                     fmt::format("the correlations of '{}' contradict each other: no three inputs "
                                 "can be correlated so (without --strict their eigenvalues are "
                                 "clipped)",
                                 options.scenario));
  }
  Json notes = scenario.notes;
  if (simulation.was_repaired()) {
    notes.push_back("The correlations contradict each other; their eigenvalues were clipped.");
  }
  if (options.variance_shares && !scenario.correlations.empty()) {
    notes.push_back(
        "Shares of variance do not sum to one: correlated inputs carry some of it together.");
  }
  if (simulation.has_no_ceiling()) {
    notes.push_back("The scenario has no physical ceilings: nothing but its trend can bind.");
  }
  return notes;
}

/// What the consequences are worked out from: the medians of the document's quantities.
ForecastMedians medians_of(const Scenario& scenario,
                           const Simulation& simulation,
                           const Json& document) {
  const auto p50 = [&](const char* key) { return document[key]["p50"].get<double>(); };
  ForecastMedians middle{
      .year = document["year"].get<double>(),
      .reference_year = reference_year_of(scenario),
      .training_flop = p50("training_flop"),
      .parameters = p50("parameters"),
      .training_tokens = p50("training_tokens"),
      .work_years = p50("work_years"),
      .kappa = document["constants"]["kappa"].get<double>(),
      .tokens_per_person_minute = document["constants"]["tokens_per_person_minute"].get<double>(),
      .speed_x_human = std::nullopt,
      .trend = std::nullopt,
      .training_years = std::nullopt};
  if (simulation.yields(Output::speed_x_human)) {
    middle.speed_x_human = p50("speed_x_human");
  }
  const auto median = [&](Input input) -> std::optional<double> {
    const auto entry = scenario.inputs.find(input);
    return entry == scenario.inputs.end() ? std::nullopt
                                          : std::optional(median_of(entry->second.distribution));
  };
  if (const auto growth = median(Input::growth_per_year)) {
    middle.trend =
        Trend{median(Input::anchor_flop).value() * unit::flop, scenario.base_year, *growth};
  }
  middle.training_years = median(Input::training_years);
  return middle;
}

}  // namespace

nlohmann::ordered_json forecast_scenario(const ScenarioOptions& options, Communicator* world) {
  // Eight columns of doubles: 20 million samples are 1.3 GB.
  constexpr std::int64_t most_samples = 20'000'000;
  if (options.samples < 1 || options.samples > most_samples) {
    throw InputError("--samples",
                     fmt::format("{} should lie between 1 and {}", options.samples, most_samples));
  }
  const Scenario scenario = scenario_named(options.scenario);
  const Simulation simulation(scenario, options.year);
  Json notes = notes_of(scenario, simulation, options);
  Draws draws = drawn(simulation, options, world);
  if (world != nullptr && world->rank() != 0) {
    return nullptr;
  }
  const InputValues medians = simulation.medians();
  const auto median = [&](Input input) { return medians.at(static_cast<std::size_t>(input)); };

  Json document;
  document["scenario"] = scenario.name;
  document["title"] = scenario.title;
  document["base_date"] = scenario.base_date;
  document["year"] = options.year;
  document["measured_fraction"] = 0.0;
  document["assumed_fraction"] = 1.0;
  document["samples"] = options.samples;
  document["seed"] = options.seed;
  document["anchor"] = scenario.anchor;
  document["constants"] = {{"kappa", median(Input::kappa)},
                           {"tokens_per_parameter", median(Input::tokens_per_parameter)},
                           {"tokens_per_person_minute", median(Input::tokens_per_person_minute)}};
  document["inputs"] = inputs_of(scenario);
  if (!scenario.projection.empty()) {
    document["projection"] = projection_of(scenario, options.year);
  }
  add_quantities(simulation, std::move(draws), document, notes);
  document["consequences"] = consequences_of(medians_of(scenario, simulation, document));
  document["sensitivity"] = sensitivity_of(simulation, options);
  document["reading"] = reading_of(document);
  document["what_if"] = what_ifs_of(scenario, simulation);
  document["published"] = published_of(scenario);
  document["notes"] = std::move(notes);
  return document;
}

}  // namespace forerun
