// Tables of the forecast's two documents.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "estimator/forecast/consequences.hpp"
#include "estimator/forecast/forecast.hpp"
#include "units/quantity_text.hpp"
#include "units/text_bar.hpp"
#include "units/text_table.hpp"

namespace forerun {

namespace {

using Json = nlohmann::ordered_json;

std::string cell(const Json& value) {
  if (value.is_number()) {
    return number_text(value.get<double>());
  }
  return value.is_null() ? "-" : value.get<std::string>();
}

void print_quantiles(const Json& document, std::span<const char* const> keys, std::ostream& out) {
  constexpr std::array<const char*, 6> columns = {"p5", "p25", "p50", "p75", "p95", "mean"};
  TextTable table({{"", Align::left}, {"p5"}, {"p25"}, {"p50"}, {"p75"}, {"p95"}, {"mean"}});
  for (const char* key : keys) {
    const Json& quantity = document.at(key);
    std::vector<std::string> cells{key};
    for (const char* column : columns) {
      cells.push_back(quantity.is_null() ? "-" : cell(quantity.at(column)));
    }
    table.add(std::move(cells));
  }
  table.print(out);
}

void print_constants(const Json& document, std::ostream& out) {
  const Json& constants = document.at("constants");
  out << fmt::format("anchor: {}\nkappa {}, {} tokens a parameter, {} tokens a person-minute\n",
                     document.at("anchor").get<std::string>(),
                     cell(constants.at("kappa")),
                     cell(constants.at("tokens_per_parameter")),
                     cell(constants.at("tokens_per_person_minute")));
}

void print_published(const Json& rows, std::ostream& out) {
  for (const Json& row : rows) {
    std::string range;
    if (row.contains("range")) {
      range = fmt::format(" [{}, {}]", cell(row.at("range").at(0)), cell(row.at("range").at(1)));
    }
    out << fmt::format("published: {} {}{}: {}\n",
                       row.at("quantity").get<std::string>(),
                       cell(row.at("centre")),
                       range,
                       row.at("note").get<std::string>());
  }
}

void print_notes(const Json& document, std::ostream& out) {
  for (const Json& note : document.at("notes")) {
    out << fmt::format("note: {}\n", note.get<std::string>());
  }
}

void print_inputs(const Json& inputs, std::ostream& out) {
  for (const auto& [name, input] : inputs.items()) {
    out << fmt::format("input: {} {} {}",
                       name,
                       input.at("distribution").get<std::string>(),
                       fmt::join(input.at("values").get<std::vector<double>>(), ", "));
    if (input.contains("levels") && !input.at("levels").empty()) {
      out << fmt::format(" at levels {}",
                         fmt::join(input.at("levels").get<std::vector<double>>(), ", "));
    }
    out << fmt::format(": {} (as of {})\n",
                       input.at("source").get<std::string>(),
                       input.at("as_of").get<std::string>());
  }
}

/// How often each limit is the one that binds, of all draws.
void print_binding(const Json& fractions, std::ostream& out) {
  out << "\nbinding constraint\n";
  for (const auto& [name, fraction] : fractions.items()) {
    if (const auto share = fraction.get<double>(); share > 0.0) {
      out << fmt::format("  {:<22}{:>8.1f} %{}\n", name, 100.0 * share, bar_text(out, share));
    }
  }
}

/// The tornado, widest first: work-years over the 90 % of each input alone.
void print_sensitivity(const Json& rows, std::ostream& out) {
  const bool has_shares = !rows.empty() && std::ranges::all_of(rows, [](const Json& row) {
    return row.contains("variance_share");
  });
  if (!has_shares) {
    return;
  }
  std::vector<const Json*> sorted;
  for (const Json& row : rows) {
    sorted.push_back(&row);
  }
  std::ranges::stable_sort(sorted, std::greater<>(), [](const Json* row) {
    return std::abs(std::log((*row)["work_years_at_p95"].get<double>() /
                             (*row)["work_years_at_p5"].get<double>()));
  });
  TextTable table({{"work-years, each input alone", Align::left},
                   {"at p5"},
                   {"at p95"},
                   {"elasticity"},
                   {"variance"},
                   {"", Align::left}});
  constexpr int bar_width = 8;
  for (const Json* row : sorted) {
    const auto share = (*row)["variance_share"].get<double>();
    const Json& elasticity = (*row)["elasticity_of_work"];
    table.add({(*row)["input"].get<std::string>(),
               cell((*row)["work_years_at_p5"]),
               cell((*row)["work_years_at_p95"]),
               elasticity.is_null() ? "-" : fmt::format("{:.2f}", elasticity.get<double>()),
               fmt::format("{:.1f} %", 100.0 * share),
               bar_text(out, share, bar_width)});
  }
  out << '\n';
  table.print(out);
}

void print_scenario(const Json& document, std::ostream& out) {
  out << fmt::format("{} (data of {}), year {}, {} samples, seed {}\n",
                     document.at("title").get<std::string>(),
                     document.at("base_date").get<std::string>(),
                     document.at("year").get<double>(),
                     document.at("samples").get<std::int64_t>(),
                     document.at("seed").get<std::uint64_t>());
  print_constants(document, out);
  out << '\n';
  constexpr std::array<const char*, 10> keys = {"training_flop",
                                                "parameters",
                                                "training_tokens",
                                                "copies",
                                                "work_years",
                                                "work_years_2000h",
                                                "speed_x_human",
                                                "learning_years_per_day",
                                                "cost_usd",
                                                "power_w"};
  print_quantiles(document, keys, out);
  print_binding(document.at("binding_fraction"), out);
  for (const Json& row : document.at("what_if")) {
    out << fmt::format("what if {}: {} work-years\n",
                       row.at("name").get<std::string>(),
                       cell(row.at("work_years")));
  }
  print_consequences(document.at("consequences"), out);
  print_sensitivity(document.at("sensitivity"), out);
  out << fmt::format("\nin words: {}\n\n", document.at("reading").get<std::string>());
  print_published(document.at("published"), out);
  print_inputs(document.at("inputs"), out);
  print_notes(document, out);
}

// What the machine reaches in place of what is assumed of machines, and what that changes.
void print_change(const Json& document, std::ostream& out) {
  const Json& efficiency = document.at("efficiency");
  const auto percent = [](const Json& value) { return 100.0 * value.get<double>(); };
  const double assumed = percent(efficiency.at("assumed").at("mfu"));
  out << fmt::format("\nMFU {:.1f} % with {} in place of {:.1f} % assumed; ",
                     percent(efficiency.at("training").at("mfu")),
                     efficiency.at("training").at("layout").get<std::string>(),
                     assumed);
  if (const Json& decode = efficiency.at("decode"); decode.is_null()) {
    out << "decode efficiency not known, taken to be the same\n";
  } else {
    out << fmt::format(
        "decode efficiency {:.2f} % ({}, {} sequences a replica, {} tokens in and {} out)\n",
        percent(decode.at("utilisation")),
        decode.at("layout").get<std::string>(),
        decode.at("batch").get<std::int64_t>(),
        decode.at("input_tokens").get<std::int64_t>(),
        decode.at("output_tokens").get<std::int64_t>());
  }
  TextTable table({{"given model", Align::left}, {"assumed"}, {"here"}, {"ratio"}});
  for (const auto& [key, row] : document.at("change").items()) {
    table.add({key,
               cell(row.at("assumed")),
               cell(row.at("here")),
               fmt::format("{:.3g}", row.at("ratio").get<double>())});
  }
  table.print(out);
}

void print_measured(const Json& document, std::ostream& out) {
  const Json& inputs = document.at("inputs");
  out << fmt::format("{} on {} devices for {} days at {:.1f} % MFU: {} FLOP\n",
                     inputs.at("model").get<std::string>(),
                     inputs.at("devices").get<std::int64_t>(),
                     cell(inputs.at("days")),
                     100.0 * inputs.at("mfu").get<double>(),
                     cell(document.at("training_flop")));
  print_constants(document, out);
  const Json& compared = document.at("scenario_comparison");
  TextTable table({{"", Align::left},
                   {"given model"},
                   {"optimal model"},
                   {fmt::format("{} p50", compared.at("scenario").get<std::string>())}});
  for (const auto& [key, value] : document.at("given_model").items()) {
    const bool has_scenario = compared.contains(key) && compared.at(key).is_object();
    table.add({key,
               cell(value),
               cell(document.at("optimal_model").at(key)),
               has_scenario ? cell(compared.at(key).at("p50")) : "-"});
  }
  out << '\n';
  table.print(out);
  print_change(document, out);
  out << fmt::format("measured share of the step time: {:.1f} %\n",
                     100.0 * document.at("provenance").at("measured_fraction").get<double>());
  out << fmt::format("training FLOP over the scenario's median: {}\n",
                     cell(compared.at("training_flop_ratio")));
  print_published(compared.at("published"), out);
  print_notes(document, out);
}

}  // namespace

void print_forecast(const nlohmann::ordered_json& document, std::ostream& out) {
  if (document.contains("given_model")) {
    print_measured(document, out);
  } else {
    print_scenario(document, out);
  }
}

}  // namespace forerun
