// The options of `plan`, and those that carry on from a step to a run.
#include <array>
#include <chrono>
#include <regex>

#include "estimator/cli/option_row.hpp"
#include "estimator/cli/option_values.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Dollars money(const OptionValue& value) {
  const auto count = parse_count(value.text);
  if (!count || *count <= 0.0) {
    throw InputError(
        value.where,
        "'" + value.text + "' is not an amount above 0 in dollars (expected one like 2M)");
  }
  return *count * unit::dollar;
}

std::int64_t count_or_none(const OptionValue& value) {
  return value.text == "0" ? 0 : whole_number(value);
}

// ISO 8601.
std::chrono::sys_days date(const OptionValue& value) {
  static const std::regex form("([0-9]{4})-([0-9]{2})-([0-9]{2})");
  std::smatch part;
  if (std::regex_match(value.text, part, form)) {
    const std::chrono::year_month_day day(
        std::chrono::year(std::stoi(part[1])),
        std::chrono::month(static_cast<unsigned>(std::stoi(part[2]))),
        std::chrono::day(static_cast<unsigned>(std::stoi(part[3]))));
    if (day.ok()) {
      return day;
    }
  }
  throw InputError(value.where,
                   "'" + value.text + "' is not a date (expected one like 2027-01-31)");
}

BytesPerSecond rate(const OptionValue& value) {
  const auto parsed = parse_rate(value.text);
  if (!parsed || *parsed <= BytesPerSecond()) {
    throw InputError(value.where, "'" + value.text + "' is not a rate (expected one like 2TB/s)");
  }
  return *parsed;
}

// Of a percentage or a fraction; 0 is the default, and may be said.
double share(const OptionValue& value) {
  if (value.text == "0" || value.text == "0%") {
    return 0.0;
  }
  const double parsed = fraction(value);
  if (parsed >= 1.0) {
    throw InputError(value.where,
                     "'" + value.text + "' leaves no time to train (expected one like 5%)");
  }
  return parsed;
}

Objective objective_from(const OptionValue& value) {
  constexpr auto all = std::to_array({Objective::time,
                                      Objective::cost,
                                      Objective::energy,
                                      Objective::tokens_per_dollar,
                                      Objective::memory});
  std::vector<std::string> words;
  words.reserve(all.size());
  for (const Objective objective : all) {
    words.emplace_back(name_of(objective));
  }
  return all[word_index(value, words)];
}

OptionRow objective_row() {
  OptionRow row = row_about(
      {"objective",
       {Verb::plan},
       "what is best: time, cost, energy, tokens-per-dollar, memory; two of them joined by "
       "a comma also give the layouts that none beats in both",
       "time"});
  row.placeholder = "NAME[,NAME]";
  row.assign = [](Options& options, const OptionValue& value) {
    const std::size_t comma = value.text.find(',');
    options.objective = objective_from({value.where, value.text.substr(0, comma)});
    if (comma != std::string::npos) {
      options.second_objective = objective_from({value.where, value.text.substr(comma + 1)});
      if (options.second_objective == options.objective) {
        throw InputError(value.where,
                         "'" + value.text + "' names one objective twice (expected two)");
      }
    }
  };
  return row;
}

OptionRow emit_row() {
  OptionRow row = row_about({"emit",
                             {Verb::plan},
                             "settings of the best layout for this framework beside the plan, "
                             "which then keeps to the pipeline schedules that it has",
                             ""});
  row.placeholder = "megatron|torchtitan|nemo";
  row.words = {"megatron", "torchtitan", "nemo"};
  row.assign = [words = row.words](Options& options, const OptionValue& value) {
    options.emit = std::array{LaunchFormat::megatron,
                              LaunchFormat::torchtitan,
                              LaunchFormat::nemo}[word_index(value, words)];
  };
  return row;
}

template <class Parse, class Member>
OptionRow run_row(AboutRow about,
                  std::string placeholder,
                  Parse parse,
                  Member RunSettings::*member) {
  OptionRow row = row_about(std::move(about));
  row.placeholder = std::move(placeholder);
  row.assign = [parse, member](Options& options, const OptionValue& value) {
    options.run.*member = parse(value);
  };
  return row;
}

}  // namespace

std::vector<OptionRow> plan_rows() {
  return {
      objective_row(),
      value_row({"top", {Verb::plan}, "how many layouts are shown, each of its own shape", "5"},
                "N",
                whole_number,
                &Options::top),
      value_row(
          {"deadline", {Verb::plan}, "the run must end within: 30d; needs --tokens or --steps", ""},
          "TIME",
          duration,
          &Options::deadline),
      value_row({"max-cost",
                 {Verb::plan},
                 "the run must not cost more: 2M dollars; needs --tokens or --steps",
                 ""},
                "AMOUNT",
                money,
                &Options::max_cost),
      emit_row(),
  };
}

std::vector<OptionRow> straggler_rows() {
  return {
      value_row({"slowest-device",
                 {Verb::estimate},
                 "time of the slowest device over that of the others: all wait for it",
                 "1"},
                "FACTOR",
                slowdown,
                &Options::slowest_device),
      value_row({"jitter",
                 {Verb::estimate},
                 "how a node's step varies from step to step, relative standard deviation: 2% or "
                 "0.02",
                 "0"},
                "PERCENT",
                fraction,
                &Options::jitter),
  };
}

std::vector<OptionRow> run_rows() {
  const std::vector<Verb> verbs{Verb::estimate, Verb::plan};
  return {
      value_row(
          {"what-if",
           verbs,
           "the same machine with other parts: net=0.5,hbm=1.2,flops=2; also nvlink, memory, host",
           ""},
          "PART=FACTOR,...",
          [](const OptionValue& value) { return what_if_from(value.text, value.where); },
          &Options::what_if),
      run_row({"mtbf",
               verbs,
               "mean time between failures of the whole job",
               "from the cluster's failures per node-day"},
              "TIME",
              duration,
              &RunSettings::between_failures),
      run_row({"restart", verbs, "from a failure to the first new step", "as the cluster says"},
              "TIME",
              duration,
              &RunSettings::restart),
      run_row({"checkpoint-bandwidth",
               verbs,
               "at which all ranks together write a checkpoint",
               "the cluster's storage"},
              "RATE",
              rate,
              &RunSettings::checkpoint_rate),
      run_row({"checkpoint-stall",
               verbs,
               "how long training waits for a checkpoint that is written in the background",
               "until it is written"},
              "TIME",
              duration,
              &RunSettings::checkpoint_stall),
      run_row({"spares", verbs, "nodes that are paid and wait beside those that train", "0"},
              "N",
              count_or_none,
              &RunSettings::spare_nodes),
      run_row(
          {"start", verbs, "first day of the run, for the date on which it ends: 2027-01-31", ""},
          "DATE",
          date,
          &RunSettings::start),
      value_row({"price",
                 verbs,
                 "rent of a device for an hour, in dollars",
                 "as the cluster says, or what owning costs there"},
                "AMOUNT",
                money,
                &Options::price),
      run_row({"pauses",
               verbs,
               "share of the time that goes to evaluation, warm-up and planned stops: 5%",
               "0"},
              "PERCENT",
              share,
              &RunSettings::pauses),
  };
}

}  // namespace forerun
