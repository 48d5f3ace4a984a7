#include <algorithm>
#include <cstddef>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include <fmt/ostream.h>

#include "estimator/capacity/capacity_json.hpp"
#include "units/quantity_text.hpp"
#include "units/text_bar.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

std::string seconds(const Json& value) {
  return value.is_null() ? "unlimited" : text_of(value.get<double>() * unit::second);
}

std::string bytes(const Json& value) {
  return text_of(value.get<double>() * unit::byte);
}

std::string count(const Json& value) {
  return count_text(value.get<double>());
}

std::string layout_of(const Json& layout) {
  std::string text;
  for (const auto& [degree, value] : layout.items()) {
    if (value.get<std::int64_t>() > 1 || degree == "tp") {
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", degree, value.get<std::int64_t>());
    }
  }
  return text;
}

void print_head(const Json& document, std::ostream& out) {
  const Json& inputs = document["inputs"];
  const Json& model = inputs["model"];
  const Json& cluster = inputs["cluster"];
  fmt::print(out,
             "{} ({} parameters, {} active) on {} x {} ({})\n",
             model["name"].get<std::string>(),
             count(model["parameters"]),
             count(model["active_parameters"]),
             cluster["devices"].get<std::int64_t>(),
             cluster["device"].get<std::string>(),
             cluster["name"].get<std::string>());
  fmt::print(out,
             "weights {}, cache {}; requests of {} tokens in and {} out, {} batching, {}; ttft {}, "
             "tpot {}\n\n",
             inputs["precision"].get<std::string>(),
             inputs["cache_precision"].get<std::string>(),
             inputs["input_tokens"].get<std::int64_t>(),
             inputs["output_tokens"].get<std::int64_t>(),
             inputs["serving"].get<std::string>(),
             inputs["software"].get<std::string>(),
             seconds(inputs["ttft_s"]),
             seconds(inputs["tpot_s"]));
  if (const Json& speculation = inputs["speculation"]; !speculation.is_null()) {
    fmt::print(
        out,
        "{} drafts {} tokens a round, {:.3g} % of which are kept one by one: {:.3g} tokens a "
        "round\n\n",
        speculation["draft"].get<std::string>(),
        speculation["tokens"].get<std::int64_t>(),
        100.0 * speculation["acceptance"].get<double>(),
        speculation["tokens_per_round"].get<double>());
  }
}

void print_choice(const Json& document, std::ostream& out) {
  fmt::print(out,
             "{:<22}{} replicas of {}, {} sequences each\n",
             document["feasible"].get<bool>() ? "best" : "nearest, NOT FEASIBLE",
             document["replicas"].get<std::int64_t>(),
             layout_of(document["layout"]),
             document["batch"].get<std::int64_t>());
  if (const Json& pool = document["prefill_pool"]; !pool.is_null()) {
    fmt::print(out,
               "{:<22}{} replicas of {}, {} prompts each\n",
               "prefill pool",
               pool["replicas"].get<std::int64_t>(),
               layout_of(pool["layout"]),
               pool["batch"].get<std::int64_t>());
  }
  fmt::print(out,
             "{:<22}{} tokens/s, {} a device\n",
             "rate",
             count(document["tokens_per_s"]),
             count(document["tokens_per_s_per_device"]));
  fmt::print(out,
             "{:<22}ttft {}, tpot {} ({:.3g} tokens/s a user, {:.3g} x a person)\n",
             "latency",
             seconds(document["ttft_s"]),
             seconds(document["tpot_s"]),
             1.0 / document["tpot_s"].get<double>(),
             document["speed_x_human"].get<double>());
  for (const auto& [part, value] : document["breakdown_s"].items()) {
    if (value.get<double>() > 0.0) {
      const double share = value.get<double>() / document["tpot_s"].get<double>();
      fmt::print(out,
                 "  {:<20}{:>10}   {:>5.1f} %{}\n",
                 part,
                 seconds(value),
                 100.0 * share,
                 bar_text(out, share));
    }
  }
}

void print_memory(const Json& document, std::ostream& out) {
  const Json& available = document["inputs"]["cluster"]["memory_per_device_bytes"];
  fmt::print(out,
             "{:<22}{} of {} a device\n",
             "memory",
             bytes(document["memory_peak_bytes"]),
             bytes(available));
  for (const auto& [kind, value] : document["memory_bytes"].items()) {
    if (value.get<double>() > 0.0) {
      const double share = value.get<double>() / available.get<double>();
      fmt::print(out,
                 "  {:<20}{:>10}   {:>5.1f} %{}\n",
                 kind,
                 bytes(value),
                 100.0 * share,
                 bar_text(out, share));
    }
  }
}

void print_work(const Json& document, std::ostream& out) {
  const Json& inputs = document["inputs"];
  fmt::print(out, "\n{:<22}{}\n", "copies at once", count(document["copies"]));
  fmt::print(out,
             "{:<22}{} (a person: {:.3g} words/min, {:.3g} tokens a word)\n",
             "human-equivalents",
             count(document["human_equivalents"]),
             inputs["words_per_minute"].get<double>(),
             inputs["tokens_per_word"].get<double>());
  fmt::print(out,
             "{:<22}{} a year round the clock, {} of 2,000 h; {} years of experience a day\n",
             "work-years",
             count(document["work_years_per_year"]),
             count(document["work_years_per_year_2000h"]),
             count(document["learning_years_per_day"]));
  if (const Json& price = document["usd_per_million_tokens"]; !price.is_null()) {
    fmt::print(
        out, "{:<22}{:.3g} USD per million tokens generated\n", "price", price.get<double>());
  }
  const Json& band = document["error_band"];
  fmt::print(out,
             "{:<22}tpot {} to {}; {} to {} human-equivalents\n",
             "90 % band",
             seconds(band["tpot_s"][0]),
             seconds(band["tpot_s"][1]),
             count(band["human_equivalents"][0]),
             count(band["human_equivalents"][1]));
  if (const Json& power = document["watts_per_copy"]; !power.is_null()) {
    fmt::print(out, "{:<22}{:.3g} W per copy\n", "power", power.get<double>());
  }
  if (const Json& flop = document["by_flop_ratio"]; !flop.is_null()) {
    fmt::print(out,
               "\n{:<22}{} human-equivalents, {:.3g} times as many as are served: {}\n",
               "by FLOP ratio",
               count(flop["human_equivalents"]),
               flop["ratio_to_decode"].get<double>(),
               flop["explanation"].get<std::string>());
  }
}

// Ten points at most, evenly over the front.
// Ten rows over the whole front, the chosen one among them.
std::vector<std::size_t> shown_of(const Json& document) {
  const Json& front = document["pareto"];
  constexpr std::size_t most_rows = 10;
  const std::size_t count = std::min(front.size(), most_rows);
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.push_back(count == 1 ? 0 : i * (front.size() - 1) / (count - 1));
  }
  for (std::size_t i = 0; i < front.size(); ++i) {
    if (front[i]["layout"] == document["layout"] && front[i]["batch"] == document["batch"]) {
      const auto after = std::ranges::lower_bound(rows, i);
      if (after != rows.end() && *after != i) {
        // Neither end of the front gives way.
        *(std::next(after) == rows.end() ? std::prev(after) : after) = i;
      }
    }
  }
  return rows;
}

void print_pareto(const Json& document, std::ostream& out) {
  const Json& front = document["pareto"];
  if (front.empty()) {
    return;
  }
  const std::vector<std::size_t> rows = shown_of(document);
  fmt::print(out,
             "\n{:<18}{:>7}{:>17}{:>15}{:>11}{:>11}\n",
             "Pareto front",
             "batch",
             "tokens/s/device",
             "tokens/s/user",
             "tpot",
             "ttft");
  for (const std::size_t row : rows) {
    const Json& point = front[row];
    fmt::print(out,
               "{:<18}{:>7}{:>17}{:>15}{:>11}{:>11}\n",
               layout_of(point["layout"]),
               point["batch"].get<std::int64_t>(),
               count(point["tokens_per_s_per_device"]),
               count(point["tokens_per_s_per_user"]),
               seconds(point["tpot_s"]),
               seconds(point["ttft_s"]));
  }
}

}  // namespace

void print_capacity(const Json& document, std::ostream& out) {
  print_head(document, out);
  print_choice(document, out);
  print_memory(document, out);
  print_work(document, out);
  print_pareto(document, out);
  const Json& share = document["provenance"];
  fmt::print(out, "\n{:<22}", "prices");
  for (const auto& [tier, value] : share.items()) {
    fmt::print(out, "{} {:.1f} %  ", tier, 100.0 * value.get<double>());
  }
  fmt::print(out, "\n");
  for (const Json& note : document["notes"]) {
    fmt::print(out, "note: {}\n", note.get<std::string>());
  }
}

}  // namespace forerun
