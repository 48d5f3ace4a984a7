// The options of `forecast`: a scenario and a year, and questions about data.
#include <algorithm>
#include <iterator>

#include "estimator/cli/option_row.hpp"
#include "estimator/forecast/scenario.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::vector<OptionRow> scenario_rows() {
  const auto days = [](const OptionValue& value) { return positive_number(value) * unit::day; };
  return {
      value_row({"year", {Verb::forecast}, "the year of the forecast", ""},
                "YEAR",
                positive_number,
                &Options::year),
      named(value_row({"scenario",
                       {Verb::forecast},
                       "which inputs: by name, or a scenario .toml",
                       "steinhardt-2023"},
                      "NAME|FILE",
                      nonempty_text,
                      &Options::scenario),
            scenario_names),
      value_row({"samples", {Verb::forecast}, "Monte Carlo samples", "100K"},
                "N",
                whole_number,
                &Options::samples),
      value_row({"days",
                 {Verb::forecast},
                 "how long the machines of --cluster train before they serve",
                 ""},
                "N",
                days,
                &Options::training_time),
  };
}

std::vector<OptionRow> question_rows() {
  const std::vector<Verb> forecast{Verb::forecast};
  return {
      flag_row({"sensitivity", forecast, "tornado and shares of variance of the inputs", ""},
               [](Options& options) { options.shows_sensitivity = true; }),
      value_row({"backtest",
                 forecast,
                 "the scenario's growth from the first year's record run against later ones",
                 ""},
                "YEAR..YEAR",
                nonempty_text,
                &Options::backtest),
      value_row({"edge",
                 forecast,
                 "largest and most capable model of --year on a device: mem=16GB,bw=100GB/s, also "
                 "bytes= a weight, speed= tokens/s, year= of the device",
                 ""},
                "KEY=VALUE,...",
                nonempty_text,
                &Options::edge),
      value_row({"emit-job",
                 forecast,
                 "job file of a model of the scenario's size, its config.json beside it",
                 ""},
                "FILE",
                nonempty_text,
                &Options::emitted_job),
      value_row(
          {"emit-cluster", forecast, "cluster file of as many devices of --year as train it", ""},
          "FILE",
          nonempty_text,
          &Options::emitted_cluster),
      value_row({"emit-experts",
                 forecast,
                 "experts of each layer of --emit-job's model, and how many work on a token: 256:8",
                 "dense"},
                "N:K",
                expert_split,
                &Options::emitted_experts),
      value_row({"fit-scaling-law",
                 forecast,
                 "fit E + A / N^alpha + B / D^beta to a table of runs: columns parameters, tokens "
                 "or training_flop, loss",
                 ""},
                "FILE",
                nonempty_text,
                &Options::fitted_table),
      value_row({"leave-out",
                 forecast,
                 "runs that --fit-scaling-law leaves out, those with fewest tokens a parameter",
                 "none"},
                "N",
                whole_number,
                &Options::left_out),
  };
}

}  // namespace

std::vector<OptionRow> forecast_rows() {
  std::vector<OptionRow> rows = scenario_rows();
  std::ranges::move(question_rows(), std::back_inserter(rows));
  return rows;
}

}  // namespace forerun
