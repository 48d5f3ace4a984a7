// The options of `measure` and `show`.
#include <utility>

#include "estimator/cli/option_row.hpp"
#include "estimator/cli/option_values.hpp"
#include "kernels/valid_key.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

KernelKey kernel_named(const OptionValue& value) {
  const auto key = kernel_key_from(value.text);
  if (!key) {
    throw InputError(value.where,
                     "'" + value.text +
                         "' names no kernel (expected one as profiles spell it, like 'gemm bf16 "
                         "m=1024 n=4096 k=4096 nt')");
  }
  if (const auto reason = contradiction_in(*key)) {
    throw InputError(value.where, "'" + value.text + "': " + *reason);
  }
  return *key;
}

}  // namespace

std::vector<OptionRow> measure_rows() {
  OptionRow kernel = row_about({"kernel",
                                {Verb::measure},
                                "a kernel to measure besides those of --model, or alone with "
                                "--kernels-only, as profiles spell it; repeatable",
                                ""});
  kernel.placeholder = "KEY";
  kernel.kind = OptionKind::repeatable;
  kernel.assign = [](Options& options, const OptionValue& value) {
    options.kernels.push_back(kernel_named(value));
  };
  return {
      value_row({"time-budget",
                 {Verb::measure, Verb::rehearse},
                 "when to stop measuring: 60s, 10min; rehearse without --cluster: of all cases "
                 "together",
                 "when every number is precise enough; rehearse: 30s a case"},
                "TIME",
                duration,
                &Options::time_budget),
      flag_row({"resume", {Verb::measure}, "go on with the journal of an interrupted run", ""},
               [](Options& options) { options.resume = true; }),
      value_row(
          {"log-json", {Verb::measure}, "file that takes what happens, one JSON object a line", ""},
          "FILE",
          nonempty_text,
          &Options::log_json),
      flag_row({"kernels-only",
                {Verb::measure},
                "kernels alone, by one process, for every layout of --layout, whatever ranks it "
                "would need",
                ""},
               [](Options& options) { options.kernels_only = true; }),
      flag_row({"comm-only",
                {Verb::measure},
                "collectives alone, as nccl-tests prints them; without --model every collective "
                "over all ranks",
                ""},
               [](Options& options) { options.comm_only = true; }),
      flag_row({"decode",
                {Verb::measure},
                "whole decode steps of the model at several lengths of context up to --seq, for "
                "--batch sequences, and a line through their times",
                ""},
               [](Options& options) { options.decode = true; }),
      value_row({"stall-limit",
                 {Verb::measure, Verb::rehearse},
                 "how long a rank may be silent, or all may wait in one collective, before the "
                 "run ends with that rank's name",
                 "60s"},
                "TIME",
                duration,
                &Options::stall_limit),
      std::move(kernel),
  };
}

std::vector<OptionRow> show_rows() {
  OptionRow compare = row_about({"compare",
                                 {Verb::show},
                                 "keys and links of profile NEW that are slower than in OLD, or of "
                                 "a profile against a cluster file or the catalog; exit status 1 "
                                 "when there are some",
                                 ""});
  compare.placeholder = "OLD NEW|catalog";
  compare.kind = OptionKind::repeatable;
  compare.assign = [](Options& options, const OptionValue& value) {
    options.compared.push_back(nonempty_text(value));
  };
  return {
      std::move(compare),
      value_row({"tolerance", {Verb::show}, "what --compare lets pass: 5% or 0.05", "5%"},
                "PERCENT",
                fraction,
                &Options::tolerance),
  };
}

}  // namespace forerun
