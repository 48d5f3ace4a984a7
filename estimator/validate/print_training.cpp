// The document of `validate --table` as a table for people.
#include <array>
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/validate/validate_training.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.1f} %", 100.0 * value.get<double>());
}

void print_group(std::ostream& out, std::string name, const Json& group) {
  constexpr std::size_t widest = 57;
  if (name.size() > widest) {
    name = name.substr(0, widest - 3) + "...";
  }
  const auto priced =
      fmt::format("{}/{}", group["priced"].get<std::int64_t>(), group["total"].get<std::int64_t>());
  if (group["mape"].is_null()) {
    fmt::print(out, "{:<58}{:>11}  not priced\n", name, priced);
    return;
  }
  fmt::print(out,
             "{:<58}{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8.3f}{:>9}{:>9}\n",
             name,
             priced,
             percent(group["mape"]),
             percent(group["without_host"]["mape"]),
             percent(group["bias"]),
             percent(group["p90"]),
             percent(group["max"]),
             group["spearman"].get<double>(),
             percent(group["coverage"]),
             percent(group["half_width"]));
}

void print_regret(std::ostream& out, const Json& regret) {
  fmt::print(out,
             "\n{:<58}{:>11}{:>9}{:>9}{:>9}\n",
             "choosing a layout",
             "choices",
             "regret",
             "max",
             "right");
  for (const Json& source : regret) {
    fmt::print(out,
               "{:<58}{:>11}{:>9}{:>9}{:>9}\n",
               source["source"].get<std::string>().substr(0, 57),
               source["choices"].get<std::int64_t>(),
               percent(source["mean"]),
               percent(source["max"]),
               percent(source["share_best"]));
  }
}

void print_memory(std::ostream& out, const Json& memory) {
  fmt::print(out, "\n{:<58}{:>11}{:>9}{:>9}{:>9}\n", "memory", "rows", "error", "bias", "max");
  for (const Json& group : memory["groups"]) {
    fmt::print(out,
               "{:<58}{:>11}{:>9}{:>9}{:>9}\n",
               group["name"].get<std::string>().substr(0, 57),
               group["rows"].get<std::int64_t>(),
               percent(group["mape"]),
               percent(group["bias"]),
               percent(group["max"]));
  }
  fmt::print(out,
             "called infeasible: {} of {} that ran; called feasible: {} of {} that ran out of "
             "memory\n",
             memory["false_infeasible"].get<std::int64_t>(),
             memory["fitted"].get<std::int64_t>(),
             memory["false_feasible"].get<std::int64_t>(),
             memory["ran_out"].get<std::int64_t>());
}

void print_baselines(std::ostream& out, const Json& baselines) {
  fmt::print(out,
             "\n{:<32}{:>8}{:>10}{:>15}{:>14}{:>20}\n",
             "mean error of baselines",
             "rows",
             "forerun",
             "constant HFU",
             "with bubble",
             "8 terms, size out");
  for (const Json& set : baselines) {
    fmt::print(out,
               "{:<32}{:>8}{:>10}{:>15}{:>14}{:>20}\n",
               set["name"].get<std::string>(),
               set["rows"].get<std::int64_t>(),
               percent(set["mape"]),
               percent(set["constant_hfu_mape"]),
               percent(set["constant_hfu_bubble_mape"]),
               percent(set["linear_leave_one_size_out_mape"]));
  }
}

void print_reasons(std::ostream& out, const Json& unpriced) {
  fmt::print(out, "\nnot priced\n");
  for (const Json& entry : unpriced) {
    fmt::print(out,
               "{:>6}  {}: {}\n",
               entry["rows"].get<std::int64_t>(),
               entry["source"].get<std::string>(),
               entry["reason"].get<std::string>());
  }
}

}  // namespace

void print_training(const Json& document, Detail detail, std::ostream& out) {
  fmt::print(out,
             "{:<58}{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}{:>9}{:>9}\n",
             "",
             "priced",
             "error",
             "no host",
             "bias",
             "p90",
             "max",
             "rank",
             "in band",
             "width");
  for (const char* const kind : {"set: ", "source: ", "device: ", "parallel: "}) {
    for (const Json& group : document["groups"]) {
      const auto name = group["name"].get<std::string>();
      if (name.starts_with(kind)) {
        print_group(out, name, group);
      }
    }
  }
  print_group(out, "all", document);
  fmt::print(out,
             "error: with the calibrated host cost per kernel of eager software; no host: without "
             "it, nothing taken from steps\n");
  print_memory(out, document["memory"]);
  if (document.contains("regret")) {
    print_regret(out, document["regret"]);
  }
  if (detail == Detail::baselines_and_reasons) {
    print_baselines(out, document["baselines"]);
    print_reasons(out, document["unpriced"]);
  }
}

}  // namespace forerun
