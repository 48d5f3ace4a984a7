#include "estimator/plan/plan_table.hpp"

#include <ostream>
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "units/quantity_text.hpp"
#include "units/text_bar.hpp"
#include "units/text_table.hpp"
#include "units/text_width.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

std::string seconds(const Json& value) {
  return text_of(value.get<double>() * unit::second);
}

std::string bytes(const Json& value) {
  return text_of(value.get<double>() * unit::byte);
}

std::string layout_text(const Json& one) {
  std::string text;
  for (const auto& [degree, value] : one["layout"].items()) {
    if (value.get<std::int64_t>() > 1 || degree == "dp") {
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", degree, value.get<std::int64_t>());
    }
  }
  return text;
}

std::string choices_text(const Json& one) {
  const auto group = one["hsdp_group"].get<std::int64_t>();
  const auto split = one["stage_layers"].get<std::string>();
  const auto offload = one["offload"].get<std::string>();
  return fmt::format(
      "batch {}, micro-batch {}, {}, recompute {}, sp {}, {}, overlap {}{}{}",
      one["batch"].get<std::int64_t>(),
      one["micro_batch"].get<std::int64_t>(),
      one["schedule"].get<std::string>(),
      one["recompute"].get<std::string>(),
      one["sp"].get<std::string>(),
      group > 0 ? fmt::format("hsdp:{}", group) : fmt::format("zero {}", one["zero"].get<int>()),
      one["overlap"].get<std::string>(),
      split == "even" ? "" : ", layers " + split,
      offload == "none" ? "" : ", offload " + offload);
}

void print_counts(const Json& document, std::ostream& out) {
  const Json& inputs = document["inputs"];
  fmt::print(out,
             "{} on {} ({}), {} tokens a sequence, {}\n",
             inputs["model"].get<std::string>(),
             inputs["cluster"].get<std::string>(),
             inputs["device"].get<std::string>(),
             inputs["seq"].get<std::int64_t>(),
             inputs["precision"].get<std::string>());
  fmt::print(out,
             "{} candidates, {} priced in {}; rejected by:",
             count_text(document["enumerated"].get<double>()),
             count_text(document["evaluated"].get<double>()),
             seconds(document["elapsed_s"]));
  const char* separator = " ";
  for (const auto& [rule, count] : document["rejected"].items()) {
    if (count.get<std::int64_t>() > 0) {
      fmt::print(out, "{}{} {}", separator, rule, count_text(count.get<double>()));
      separator = ", ";
    }
  }
  fmt::print(out, "\n");
  for (const auto& [reason, count] : document["not_modelled"].items()) {
    fmt::print(out, "  not modelled {}: {}\n", count_text(count.get<double>()), reason);
  }
}

void print_run(const Json& run, std::ostream& out) {
  const auto or_unknown = [](const Json& value, double scale) {
    return value.is_null() ? std::string("unknown") : count_text(value.get<double>() * scale);
  };
  fmt::print(
      out,
      "     run {} days ({} to {}){}, {} device-hours, {} USD, {} kWh, goodput {}\n",
      count_text(run["days"].get<double>()),
      count_text(run["low"]["days"].get<double>()),
      count_text(run["high"]["days"].get<double>()),
      run["end_date"].is_null() ? std::string() : ", until " + run["end_date"].get<std::string>(),
      count_text(run["device_hours"].get<double>()),
      or_unknown(run["cost_usd"], 1.0),
      or_unknown(run["energy_kwh"], 1.0),
      run["goodput"].is_null() ? "unknown"
                               : fmt::format("{:.1f} %", 100.0 * run["goodput"].get<double>()));
}

// Less is what differences of sums leave over.
bool is_shown(const Json& part, const Json& one) {
  constexpr double rounding = 1e-9;
  return part.get<double>() > rounding * one["step_time_s"].get<double>();
}

std::string parts_text(const Json& one) {
  std::string parts;
  for (const auto& [part, value] : one["breakdown_s"].items()) {
    if (is_shown(value, one)) {
      parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", part, seconds(value));
    }
  }
  return parts;
}

// A line a part of the step.
void print_parts(const Json& one, std::ostream& out) {
  const auto step = one["step_time_s"].get<double>();
  for (const auto& [part, value] : one["breakdown_s"].items()) {
    if (const auto time = value.get<double>(); is_shown(value, one)) {
      fmt::print(out,
                 "       {:<16} {:>10}   {:>5.1f} %{}\n",
                 part,
                 seconds(value),
                 100.0 * time / step,
                 bar_text(out, time / step));
    }
  }
}

void print_layout(std::size_t place, const Json& one, std::ostream& out) {
  fmt::print(
      out,
      "\n{:>3}. {} on {} devices: {} ({} to {}), MFU {}\n     {}\n     memory {} on stage {}, {} "
      "free\n",
      place,
      layout_text(one),
      one["devices"].get<std::int64_t>(),
      seconds(one["step_time_s"]),
      seconds(one["error_band_s"][0]),
      seconds(one["error_band_s"][1]),
      one["mfu"].is_null() ? "unknown" : fmt::format("{:.1f} %", 100.0 * one["mfu"].get<double>()),
      choices_text(one),
      bytes(one["memory_peak_bytes"]),
      one["memory_peak_stage"].get<std::int64_t>(),
      bytes(one["memory_headroom_bytes"]));
  if (place == 1) {
    print_parts(one, out);
  } else {
    fmt::print(out, "     {}\n", parts_text(one));
  }
  if (one.contains("slower_because")) {
    fmt::print(out, "     behind the first by {}\n", one["slower_because"].get<std::string>());
  }
  if (!one["run"].is_null()) {
    print_run(one["run"], out);
  }
}

void print_front(const Json& pareto, std::ostream& out) {
  if (pareto.size() < 2) {
    return;
  }
  fmt::print(out, "\nnone better in both:\n");
  TextTable table({{"devices"},
                   {"step"},
                   {"memory"},
                   {"days"},
                   {"USD"},
                   {"layout", Align::left},
                   {"choices", Align::left}},
                  2);
  for (const Json& one : pareto) {
    const Json& run = one["run"];
    const bool has_cost = !run.is_null() && !run["cost_usd"].is_null();
    table.add({std::to_string(one["devices"].get<std::int64_t>()),
               seconds(one["step_time_s"]),
               bytes(one["memory_peak_bytes"]),
               run.is_null() ? "" : count_text(run["days"].get<double>()),
               has_cost ? count_text(run["cost_usd"].get<double>()) : "",
               layout_text(one),
               choices_text(one)});
  }
  table.print(out);
}

// How many devices it takes until the deadline, or how many the budget pays for at the least.
void print_fewest(const Json& document, std::ostream& out) {
  const Json& one = document["fewest_devices"];
  if (one.is_null() || document["inputs"]["devices"].size() < 2) {
    return;
  }
  const Json& run = one["run"];
  fmt::print(out,
             "\nfewest devices within the limits: {}, {} days{}, with {} and {}\n",
             one["devices"].get<std::int64_t>(),
             count_text(run["days"].get<double>()),
             run["cost_usd"].is_null()
                 ? std::string()
                 : fmt::format(", {} USD", count_text(run["cost_usd"].get<double>())),
             layout_text(one),
             choices_text(one));
}

}  // namespace

void print_plan(const Json& document, std::ostream& out) {
  print_counts(document, out);
  std::size_t place = 1;
  for (const Json& one : document["layouts"]) {
    print_layout(place++, one, out);
  }
  print_front(document["pareto"], out);
  print_fewest(document, out);
  if (!document["feasible"].get<bool>()) {
    fmt::print(out, "\ninfeasible: {}\n", document["infeasible_reason"].get<std::string>());
  }
  if (document.contains("launch")) {
    const Verbatim copied(out);
    fmt::print(out, "\n{}", document["launch"]["text"].get<std::string>());
  }
  fmt::print(out, "\n");
  for (const Json& note : document["notes"]) {
    fmt::print(out, "note: {}\n", note.get<std::string>());
  }
}

}  // namespace forerun
