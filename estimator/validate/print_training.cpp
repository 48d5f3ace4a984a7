// The document of `validate --table` as a table for people.
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/validate/validate_training.hpp"
#include "units/text_table.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// A share in percent, whose sign stands over the column; "-" where there is none.
std::string percent(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{:.1f}", 100.0 * value.get<double>());
}

std::string whole(const Json& value) {
  return std::to_string(value.get<std::int64_t>());
}

void add_group(TextTable& table, const std::string& name, const Json& group) {
  table.add(
      {name,
       whole(group["priced"]) + "/" + whole(group["total"]),
       percent(group["mape"]),
       percent(group["without_host"]["mape"]),
       percent(group["bias"]),
       percent(group["p90"]),
       percent(group["max"]),
       group["spearman"].is_null() ? "-" : fmt::format("{:.3f}", group["spearman"].get<double>()),
       percent(group["coverage"]),
       percent(group["half_width"])});
}

void print_groups(std::ostream& out, const Json& document) {
  TextTable table({{"", Align::left},
                   {"priced"},
                   {"error\n%"},
                   {"no host\n%"},
                   {"bias\n%"},
                   {"p90\n%"},
                   {"max\n%"},
                   {"rank\n"},
                   {"in band\n%"},
                   {"width\n%"}});
  for (const char* const kind : {"set: ", "source: ", "device: ", "parallel: "}) {
    for (const Json& group : document["groups"]) {
      if (const auto name = group["name"].get<std::string>(); name.starts_with(kind)) {
        add_group(table, name, group);
      }
    }
  }
  add_group(table, "all", document);
  table.print(out);
}

void print_regret(std::ostream& out, const Json& regret) {
  TextTable table(
      {{"choosing a layout", Align::left}, {"choices"}, {"regret\n%"}, {"max\n%"}, {"right\n%"}});
  for (const Json& source : regret) {
    table.add({source["source"].get<std::string>(),
               whole(source["choices"]),
               percent(source["mean"]),
               percent(source["max"]),
               percent(source["share_best"])});
  }
  out << '\n';
  table.print(out);
}

void print_memory(std::ostream& out, const Json& memory) {
  TextTable table({{"memory", Align::left}, {"rows"}, {"error\n%"}, {"bias\n%"}, {"max\n%"}});
  for (const Json& group : memory["groups"]) {
    table.add({group["name"].get<std::string>(),
               whole(group["rows"]),
               percent(group["mape"]),
               percent(group["bias"]),
               percent(group["max"])});
  }
  out << '\n';
  table.print(out);
  fmt::print(out,
             "called infeasible: {} of {} that ran; called feasible: {} of {} that ran out of "
             "memory\n",
             memory["false_infeasible"].get<std::int64_t>(),
             memory["fitted"].get<std::int64_t>(),
             memory["false_feasible"].get<std::int64_t>(),
             memory["ran_out"].get<std::int64_t>());
}

void print_baselines(std::ostream& out, const Json& baselines) {
  TextTable table({{"mean error of baselines", Align::left},
                   {"rows"},
                   {"forerun\n%"},
                   {"constant\nHFU, %"},
                   {"with\nbubble, %"},
                   {"8 terms,\nsize out, %"}});
  for (const Json& set : baselines) {
    table.add({set["name"].get<std::string>(),
               whole(set["rows"]),
               percent(set["mape"]),
               percent(set["constant_hfu_mape"]),
               percent(set["constant_hfu_bubble_mape"]),
               percent(set["linear_leave_one_size_out_mape"])});
  }
  out << '\n';
  table.print(out);
}

void print_reasons(std::ostream& out, const Json& unpriced) {
  TextTable table({{"rows"}, {"not priced", Align::left}});
  for (const Json& entry : unpriced) {
    table.add(
        {whole(entry["rows"]),
         fmt::format(
             "{}: {}", entry["source"].get<std::string>(), entry["reason"].get<std::string>())});
  }
  out << '\n';
  table.print(out);
}

}  // namespace

void print_training(const Json& document, Detail detail, std::ostream& out) {
  print_groups(out, document);
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
