// The options of `validate`, `report` and `import`: tables, logs and profiles to read.
#include <utility>

#include "estimator/cli/option_row.hpp"

namespace forerun {
namespace {

// A list of files, each checked where it is read.
OptionRow files_row(AboutRow about,
                    std::string placeholder,
                    std::vector<std::string> Options::*member) {
  OptionRow row = row_about(std::move(about));
  row.placeholder = std::move(placeholder);
  row.kind = OptionKind::repeatable;
  row.takes_several = true;
  row.assign = [member](Options& options, const OptionValue& value) {
    (options.*member).push_back(nonempty_text(value));
  };
  return row;
}

}  // namespace

std::vector<OptionRow> validate_rows() {
  return {
      value_row({"kernels",
                 {Verb::validate},
                 "public tables of kernel timings to predict, each kernel from the others: a "
                 "folder, or one table",
                 ""},
                "DIR|FILE",
                nonempty_text,
                &Options::kernel_tables),
      value_row({"table",
                 {Verb::validate},
                 "a table of published training runs to predict: a .csv with the columns of "
                 "training_runs.csv",
                 ""},
                "FILE",
                nonempty_text,
                &Options::training_table),
      value_row({"log",
                 {Verb::validate},
                 "the log of a run of Megatron-LM or torchtitan to compare with the estimate of "
                 "its job (--job, --cluster)",
                 ""},
                "FILE",
                nonempty_text,
                &Options::training_log),
      value_row({"inference",
                 {Verb::validate},
                 "a table of published inference runs to predict: a .csv with the columns of "
                 "inference_runs.csv",
                 ""},
                "FILE",
                nonempty_text,
                &Options::inference_table),
      value_row({"terms-out",
                 {Verb::validate},
                 "file for the widths of bands that --table or --inference asks for, by class: "
                 "structural_terms.toml or serving_terms.toml derived anew",
                 ""},
                "FILE",
                nonempty_text,
                &Options::terms_out),
      value_row({"host-out",
                 {Verb::validate},
                 "file for the host's cost per kernel launch, calibrated on --table: "
                 "host_costs.toml derived anew",
                 ""},
                "FILE",
                nonempty_text,
                &Options::host_out),
      files_row({"collectives",
                 {Verb::validate},
                 "public tables of collective timings to predict, each from the rest of its "
                 "machine and from datasheets: folders, or tables",
                 ""},
                "DIR|FILE...",
                &Options::collective_tables),
  };
}

std::vector<OptionRow> report_rows() {
  OptionRow results = files_row({"result",
                                 {Verb::report},
                                 "what a verb wrote with --format json, a profile, or a timeline "
                                 "of estimate --trace; the files may stand without the option",
                                 ""},
                                "FILE...",
                                &Options::results);
  results.takes_lone_words = true;
  return {std::move(results)};
}

std::vector<OptionRow> import_rows() {
  const std::vector<Verb> import{Verb::import};
  return {
      files_row({"nccl-tests", import, "logs of nccl-tests' *_perf programs", ""},
                "FILE...",
                &Options::nccl_tests_logs),
      files_row({"osu", import, "logs of the OSU micro-benchmarks' latency tests", ""},
                "FILE...",
                &Options::osu_logs),
      files_row({"merge",
                 import,
                 "profiles of one cluster to join: the newest record of a key is kept",
                 ""},
                "A B...",
                &Options::merged_profiles),
      value_row(
          {"device-name", import, "what a rank drove", "as the log names it; OSU's name none"},
          "NAME",
          nonempty_text,
          &Options::device_name),
      value_row({"ranks", import, "ranks of the run", "as the log lists them; OSU does not"},
                "N",
                whole_number,
                &Options::ranks),
      value_row({"ranks-per-node",
                 import,
                 "ranks on each node",
                 "by the hosts in the log; without hosts all"},
                "N",
                whole_number,
                &Options::ranks_per_node),
  };
}

}  // namespace forerun
