#include "estimator/forecast/what_if_documents.hpp"

#include <array>
#include <optional>
#include <ostream>
#include <sstream>
#include <variant>

#include <fmt/ostream.h>

#include "estimator/forecast/consequences.hpp"
#include "estimator/forecast/scenario.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

std::optional<double> plain_number(const std::string& text) {
  try {
    std::size_t used = 0;
    const double value = std::stod(text, &used);
    return used == text.size() && value > 0.0 ? std::optional(value) : std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

template <class Value>
Value edge_value(const std::optional<Value>& value, const std::string& word) {
  if (!value) {
    throw InputError("--edge",
                     "'" + word +
                         "' is not understood (expected one like mem=16GB, bw=100GB/s, "
                         "bytes=0.5, speed=10 or year=2026)");
  }
  return *value;
}

void set_edge(EdgeQuestion& question, const std::string& word) {
  const std::size_t equals = word.find('=');
  const std::string key = word.substr(0, equals);
  const std::string text = equals == std::string::npos ? "" : word.substr(equals + 1);
  if (key == "mem") {
    question.device.memory = edge_value(parse_bytes(text), word);
  } else if (key == "bw") {
    question.device.bandwidth = edge_value(parse_rate(text), word);
  } else if (key == "bytes") {
    question.bytes_per_parameter = edge_value(plain_number(text), word);
  } else if (key == "speed") {
    question.tokens_per_s = edge_value(plain_number(text), word);
  } else if (key == "year") {
    question.device.year = edge_value(plain_number(text), word);
  } else {
    (void)edge_value(std::optional<double>(), word);
  }
}

Json json_of(const BackTestRow& row) {
  return {{"model", row.observed.model},
          {"year", row.observed.year},
          {"observed_flop", row.observed.flop},
          {"predicted_flop", row.median},
          {"predicted_flop_p5", row.low},
          {"predicted_flop_p95", row.high},
          {"log10_error", row.log10_error},
          {"covered", row.is_covered}};
}

constexpr std::array<const char*, 5> law_names{"irreducible", "a", "b", "alpha", "beta"};

std::array<double, 5> values_of(const LossFit& fit) {
  return {fit.irreducible, fit.a, fit.b, fit.alpha, fit.beta};
}

}  // namespace

EdgeQuestion edge_from(const std::string& text, double year) {
  EdgeQuestion question;
  question.year = year;
  question.device.year = year;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    set_edge(question, word);
  }
  if (question.device.memory <= Bytes() || question.device.bandwidth <= BytesPerSecond()) {
    throw InputError("--edge", "needs mem= and bw= (expected one like mem=16GB,bw=100GB/s)");
  }
  if (year < density_epoch) {
    throw InputError(
        "--year",
        fmt::format(
            "{:.4g} is before the densing law's data, which begin in {:.2f}", year, density_epoch));
  }
  if (question.device.year > year) {
    throw InputError("--edge",
                     fmt::format("year={:.0f} is after --year {:.0f}", question.device.year, year));
  }
  return question;
}

Json edge_document(const EdgeQuestion& question) {
  constexpr double last_year = 2040.0;
  if (question.year > last_year) {
    throw InputError(
        "--year",
        fmt::format("{:.0f} lies beyond {:.0f}: density that doubles every 99 days was "
                    "seen from 2023 to 2024",
                    question.year,
                    last_year));
  }
  const EdgeModel model = edge_model(question.device,
                                     question.year,
                                     question.bytes_per_parameter,
                                     question.tokens_per_s,
                                     density_trend);
  Json document;
  document["inputs"] = {
      {"memory_bytes", question.device.memory.in(unit::byte)},
      {"bandwidth_bytes_per_s", question.device.bandwidth.in(unit::byte / unit::second)},
      {"device_year", question.device.year},
      {"year", question.year},
      {"bytes_per_parameter", question.bytes_per_parameter},
      {"tokens_per_s", question.tokens_per_s}};
  document["device_memory_bytes"] = model.device.memory.in(unit::byte);
  document["device_bandwidth_bytes_per_s"] = model.device.bandwidth.in(unit::byte / unit::second);
  document["parameters"] = model.parameters;
  document["binding_constraint"] = model.bandwidth_binds ? "bandwidth" : "memory";
  document["density"] = density(density_trend, question.year);
  document["equivalent_parameters"] = model.equivalent_parameters;
  document["best_value_window_days"] = best_value_window(density_trend.growth_per_day) / unit::day;
  // Epoch AI's 2.1 years for FLOP per dollar, as the paper takes it.
  document["with_hardware_doubling_days"] =
      combine_doublings(density_doubling(density_trend.growth_per_day), 2.1 * unit::year) /
      unit::day;
  document["notes"] = {
      "density: arXiv 2412.04315 (2024-12), ln rho = 0.007 a day from 24 February 2023; beyond "
      "2024 it is extrapolated, and its level is read off the paper's figure",
      "equivalent_parameters: of the densing law's reference family, trained on 1e12 tokens",
      "the device's memory and bandwidth double in 4.1 and 4.0 years (Epoch AI, 2025)"};
  return document;
}

Json backtest_document(const std::string& years, const std::string& scenario) {
  const std::size_t dots = years.find("..");
  const auto first = plain_number(years.substr(0, dots));
  const auto last = dots == std::string::npos ? std::nullopt : plain_number(years.substr(dots + 2));
  if (!first || !last || *first >= *last) {
    throw InputError("--backtest", "'" + years + "' is no range of years (expected 2020..2025)");
  }
  constexpr double last_record = 2025.0;
  if (*last > last_record) {
    throw InputError(
        "--backtest",
        fmt::format("'{}' ends after the last record run of {:.0f}", years, last_record));
  }
  const Scenario data = scenario_named(scenario);
  const auto growth = data.inputs.find(Input::growth_per_year);
  const Lognormal* const factor =
      growth == data.inputs.end() ? nullptr : std::get_if<Lognormal>(&growth->second.distribution);
  if (factor == nullptr) {
    throw InputError("--scenario",
                     scenario + " has no growth_per_year to test (expected epoch-trend)");
  }
  constexpr double confident = 3.0;  // Epoch's label "confident": a factor of 3 at 90 %
  const BackTest test = backtest(*first, *last, *factor, confident);
  Json document;
  document["scenario"] = scenario;
  document["years"] = {*first, *last};
  document["anchor"] = {{"model", test.anchor.model},
                        {"year", test.anchor.year},
                        {"flop", test.anchor.flop},
                        {"factor_at_90", confident}};
  document["growth_per_year"] = {
      {"median", factor->median}, {"sigma_ln", factor->sigma}, {"source", growth->second.source}};
  document["rows"] = Json::array();
  for (const BackTestRow& row : test.rows) {
    document["rows"].push_back(json_of(row));
  }
  document["mean_log10_error"] = test.mean_log10_error;
  document["mean_absolute_log10_error"] = test.mean_absolute_log10_error;
  document["coverage"] = test.coverage;
  document["notes"] = {
      "growth_per_year was estimated from years that include those tested: this "
      "is a check of consistency, not a forecast made in advance"};
  return document;
}

Json fit_document(const FitQuestion& question) {
  const auto kept = without_least_trained(question.runs, question.left_out);
  const FittedLaw law = fit_scaling_law(kept);
  const auto intervals = bootstrap_law(kept, law.fit, question.resamples, question.seed);
  Json document;
  document["inputs"] = {{"table", question.table},
                        {"runs", question.runs.size()},
                        {"left_out", question.left_out},
                        {"resamples", question.resamples},
                        {"seed", question.seed}};
  document["runs"] = law.runs;
  document["objective"] = law.objective;
  document["starts"] = law.starts;
  const auto values = values_of(law.fit);
  const auto published = values_of(epoch_fit);
  Json& fit = document["fit"];
  for (std::size_t i = 0; i < law_names.size(); ++i) {
    fit[law_names.at(i)] = {{"value", values.at(i)},
                            {"standard_error", intervals[i].standard_error},
                            {"p2_5", intervals[i].low},
                            {"p97_5", intervals[i].high},
                            {"besiroglu_2024", published.at(i)}};
  }
  document["optimal"] = Json::array();
  for (const double flop : {1e21, 1e23, 1e25, 1e27}) {
    const OptimalShape shape = optimal_fit(flop * unit::flop, law.fit);
    document["optimal"].push_back({{"training_flop", flop},
                                   {"parameters", shape.parameters},
                                   {"training_tokens", shape.tokens},
                                   {"tokens_per_parameter", shape.tokens / shape.parameters}});
  }
  return document;
}

void print_edge(const Json& document, std::ostream& out) {
  const Json& inputs = document["inputs"];
  fmt::print(
      out,
      "edge device of {:.0f}: {} at {}; {} tokens/s at {} bytes a weight\n",
      inputs["year"].get<double>(),
      text_of(document["device_memory_bytes"].get<double>() * unit::byte),
      text_of(document["device_bandwidth_bytes_per_s"].get<double>() * unit::byte / unit::second),
      inputs["tokens_per_s"].get<double>(),
      inputs["bytes_per_parameter"].get<double>());
  fmt::print(
      out,
      "largest model        {} parameters ({} binds)\n"
      "most capable model   like {} parameters of the reference family (density {:.3g})\n"
      "best-value window    {:.0f} days until half the size does as well; with Moore's law {:.0f} "
      "days until it costs half\n",
      count_text(document["parameters"].get<double>()),
      document["binding_constraint"].get<std::string>(),
      number_text(document["equivalent_parameters"].get<double>()),
      document["density"].get<double>(),
      document["best_value_window_days"].get<double>(),
      document["with_hardware_doubling_days"].get<double>());
  for (const Json& note : document["notes"]) {
    fmt::print(out, "note: {}\n", note.get<std::string>());
  }
}

void print_backtest(const Json& document, std::ostream& out) {
  fmt::print(out,
             "{}: from {} of {:.2f}, {:.3g} FLOP, at {:.3g} times a year\n",
             document["scenario"].get<std::string>(),
             document["anchor"]["model"].get<std::string>(),
             document["anchor"]["year"].get<double>(),
             document["anchor"]["flop"].get<double>(),
             document["growth_per_year"]["median"].get<double>());
  TextTable table({{"model", Align::left},
                   {"year"},
                   {"observed\nFLOP"},
                   {"predicted\nFLOP"},
                   {"90 %\nFLOP"},
                   {"error\ndex"},
                   {"", Align::left}});
  for (const Json& row : document["rows"]) {
    table.add({row["model"].get<std::string>(),
               fmt::format("{:.2f}", row["year"].get<double>()),
               fmt::format("{:.3g}", row["observed_flop"].get<double>()),
               fmt::format("{:.3g}", row["predicted_flop"].get<double>()),
               fmt::format("{:.2g} to {:.2g}",
                           row["predicted_flop_p5"].get<double>(),
                           row["predicted_flop_p95"].get<double>()),
               fmt::format("{:+.2f}", row["log10_error"].get<double>()),
               row["covered"].get<bool>() ? "" : "outside"});
  }
  table.print(out);
  fmt::print(out,
             "mean error {:+.2f} dex, absolute {:.2f} dex, {:.0f} % inside the 90 % interval\n",
             document["mean_log10_error"].get<double>(),
             document["mean_absolute_log10_error"].get<double>(),
             100.0 * document["coverage"].get<double>());
  for (const Json& note : document["notes"]) {
    fmt::print(out, "note: {}\n", note.get<std::string>());
  }
}

void print_fit(const Json& document, std::ostream& out) {
  fmt::print(out,
             "L = E + A / N^alpha + B / D^beta over {} runs ({} left out), {} starts, {} "
             "resamples\n",
             document["runs"].get<std::int64_t>(),
             document["inputs"]["left_out"].get<std::int64_t>(),
             document["starts"].get<std::int64_t>(),
             document["inputs"]["resamples"].get<std::int64_t>());
  TextTable table({{"", Align::left}, {"value"}, {"s.e."}, {"95 %"}, {"Besiroglu 2024"}});
  for (const auto& [name, value] : document["fit"].items()) {
    table.add(
        {name,
         fmt::format("{:.5g}", value["value"].get<double>()),
         fmt::format("{:.3g}", value["standard_error"].get<double>()),
         fmt::format("{:.5g} to {:.5g}", value["p2_5"].get<double>(), value["p97_5"].get<double>()),
         fmt::format("{:.5g}", value["besiroglu_2024"].get<double>())});
  }
  table.print(out);
  for (const Json& row : document["optimal"]) {
    fmt::print(out,
               "optimal at {:.0e} FLOP: {} parameters, {} tokens ({:.1f} a parameter)\n",
               row["training_flop"].get<double>(),
               count_text(row["parameters"].get<double>()),
               count_text(row["training_tokens"].get<double>()),
               row["tokens_per_parameter"].get<double>());
  }
}

}  // namespace forerun
