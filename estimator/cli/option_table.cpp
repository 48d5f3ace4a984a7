// The rows of the option table, and how each kind of row checks and stores its value.
#include "estimator/cli/option_table.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "estimator/cli/option_values.hpp"
#include "kernels/valid_key.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Verbs = std::vector<Verb>;
using Rows = std::vector<OptionRow>;

/// What a row says about itself, apart from its value.
struct About {
  std::string name;
  Verbs verbs;
  std::string help;
  std::string default_text;
};

OptionRow row_about(About about) {
  OptionRow row;
  row.name = std::move(about.name);
  row.verbs = std::move(about.verbs);
  row.help = std::move(about.help);
  row.default_text = std::move(about.default_text);
  return row;
}

/// A row whose text `parse` turns into what `member` holds.
template <class Parse, class Member>
OptionRow value_row(About about, std::string placeholder, Parse parse, Member Options::*member) {
  OptionRow row = row_about(std::move(about));
  row.placeholder = std::move(placeholder);
  row.assign = [parse = std::move(parse), member](Options& options, const OptionValue& value) {
    options.*member = parse(value);
  };
  return row;
}

template <class Store>
OptionRow flag_row(About about, Store store) {
  OptionRow row = row_about(std::move(about));
  row.kind = OptionKind::flag;
  row.assign = [store](Options& options, const OptionValue& value) {
    if (flag_state(value)) {
      store(options);
    }
  };
  return row;
}

template <class Value>
struct Choices {
  std::vector<std::pair<std::string, Value>> spellings;
  std::vector<std::string> unmodelled;  ///< spelled so in the field, but nothing prices it yet
};

template <class Value, class Member>
OptionRow choice_row(About about, const Choices<Value>& choices, Member Options::*member) {
  std::vector<std::string> words;
  std::string placeholder;
  for (const auto& spelling : choices.spellings) {
    words.push_back(spelling.first);
    placeholder += (placeholder.empty() ? "" : "|") + spelling.first;
  }
  const auto parse = [choices, words](const OptionValue& value) {
    return choices.spellings[word_index(value, words, choices.unmodelled)].second;
  };
  OptionRow row = value_row(std::move(about), placeholder, parse, member);
  row.words = std::move(words);
  return row;
}

Verbs every_verb() {
  return {all_verbs().begin(), all_verbs().end()};
}

/// The verbs that look at training jobs.
Verbs job_verbs() {
  return {Verb::measure, Verb::rehearse, Verb::estimate, Verb::forecast};
}

Rows subject_rows() {
  OptionRow model =
      row_about({"model",
                 {Verb::measure, Verb::rehearse, Verb::estimate, Verb::forecast, Verb::show},
                 "the model; measure and rehearse take several",
                 ""});
  model.placeholder = "NAME|FILE|DIR";
  model.kind = OptionKind::repeatable;
  model.assign = [](Options& options, const OptionValue& value) {
    options.models.push_back(nonempty_text(value));
  };
  return {
      std::move(model),
      value_row({"cluster",
                 {Verb::rehearse, Verb::estimate, Verb::forecast, Verb::show},
                 "the hardware: a catalog name, a cluster .toml or a profile .json",
                 ""},
                "NAME|FILE",
                nonempty_text,
                &Options::cluster),
      value_row({"devices",
                 job_verbs(),
                 "how many devices the job uses",
                 "the product of the layout's degrees, where it names dp; else the ranks of a "
                 "profile or of mpirun"},
                "N",
                whole_number,
                &Options::devices),
      choice_row<DeviceKind>({"device",
                              {Verb::measure, Verb::rehearse},
                              "what a rank drives",
                              "cuda where there is one"},
                             {{{"cuda", DeviceKind::cuda}, {"host", DeviceKind::host}}, {}},
                             &Options::device),
      value_row({"layout",
                 job_verbs(),
                 "how the job is split: tp=8,pp=16,vp=8,dp=128; measure and rehearse take sets: "
                 "tp=1|2, pp=1..4, tp=2;pp=2",
                 "data-parallel"},
                "SPEC",
                nonempty_text,
                &Options::layout),
  };
}

Rows batch_rows() {
  return {
      value_row(
          {"batch", job_verbs(), "global batch, in sequences per step", "devices * micro-batch"},
          "N",
          whole_number,
          &Options::batch),
      value_row({"micro-batch", job_verbs(), "sequences of one micro-batch", "1"},
                "N",
                whole_number,
                &Options::micro_batch),
      value_row({"seq",
                 job_verbs(),
                 "tokens of one sequence",
                 "the model's context, at most 4096; on a CPU at most 256"},
                "N",
                whole_number,
                &Options::sequence),
      value_row(
          {"tokens", {Verb::estimate}, "tokens of the whole run, for its days and cost: 15T", ""},
          "N",
          token_count,
          &Options::tokens),
      value_row({"steps", {Verb::rehearse}, "steps that are run and timed per layout", "5"},
                "N",
                whole_number,
                &Options::steps),
  };
}

Rows recipe_rows() {
  return {
      choice_row<Precision>(
          {"precision",
           job_verbs(),
           "number format of the training; fp16 is estimated only",
           "bf16; on a CPU fp32, and measure takes both"},
          {{{"bf16", Precision::bf16}, {"fp16", Precision::fp16}, {"fp32", Precision::fp32}},
           {"fp8", "mxfp8", "nvfp4"}},
          &Options::precision),
      choice_row<Recompute>(
          {"recompute", job_verbs(), "activations that the backward pass recomputes", "none"},
          {{{"none", Recompute::none}, {"full", Recompute::full}}, {"selective"}},
          &Options::recompute),
      choice_row<Schedule>(
          {"schedule", job_verbs(), "pipeline schedule", "1f1b, interleaved when vp > 1"},
          {{{"gpipe", Schedule::gpipe},
            {"1f1b", Schedule::one_f_one_b},
            {"interleaved", Schedule::interleaved}},
           {"breadth-first", "zb-h1", "zb-h2", "zb-v", "dualpipe"}},
          &Options::schedule),
      choice_row<SequenceParallel>(
          {"sp", job_verbs(), "sequence parallelism within a tensor-parallel group", "on"},
          {{{"on", SequenceParallel::on}, {"off", SequenceParallel::off}}, {}},
          &Options::sequence_parallel),
      choice_row<ZeroStage>(
          {"zero", job_verbs(), "1 shards the optimizer state over data-parallel ranks", "1"},
          {{{"0", ZeroStage::none}, {"1", ZeroStage::optimizer}}, {"2", "3"}},
          &Options::zero),
      choice_row<Overlap>({"overlap",
                           job_verbs(),
                           "communication that runs while the device computes",
                           "on; off on a CPU"},
                          {{{"on", Overlap::on}, {"off", Overlap::off}}, {}},
                          &Options::overlap),
  };
}

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

Rows verb_rows() {
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
  const auto days = [](const OptionValue& value) { return positive_number(value) * unit::day; };
  return {
      value_row({"time-budget",
                 {Verb::measure},
                 "when to stop measuring: 60s, 10min",
                 "when every number is precise enough"},
                "TIME",
                duration,
                &Options::time_budget),
      flag_row({"resume", {Verb::measure}, "go on with the journal of an interrupted run", ""},
               [](Options& options) { options.resume = true; }),
      flag_row({"kernels-only",
                {Verb::measure},
                "kernels alone, by one process, for every layout of --layout, whatever ranks it "
                "would need",
                ""},
               [](Options& options) { options.kernels_only = true; }),
      std::move(kernel),
      value_row({"kernels",
                 {Verb::validate},
                 "public tables of kernel timings to predict, each kernel from the others: a "
                 "folder, or one table",
                 ""},
                "DIR|FILE",
                nonempty_text,
                &Options::kernel_tables),
      value_row({"year", {Verb::forecast}, "the year of the forecast", ""},
                "YEAR",
                positive_number,
                &Options::year),
      value_row({"scenario", {Verb::forecast}, "which inputs, by name", "steinhardt-2023"},
                "NAME",
                nonempty_text,
                &Options::scenario),
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

Rows output_rows() {
  return {
      value_row({"seed",
                 {Verb::measure, Verb::rehearse, Verb::forecast},
                 "seed of random operands and samples",
                 "1"},
                "N",
                seed_number,
                &Options::seed),
      flag_row({"strict",
                {Verb::rehearse, Verb::estimate, Verb::forecast},
                "refuse costs that were neither measured nor interpolated",
                ""},
               [](Options& options) { options.strict = true; }),
      choice_row<Format>(
          {"format", every_verb(), "how the result is written", "table"},
          {{{"table", Format::table}, {"json", Format::json}, {"csv", Format::csv}}, {}},
          &Options::format),
      value_row(
          {"out", every_verb(), "file for the result", "standard output; measure: profile.json"},
          "FILE",
          nonempty_text,
          &Options::out),
      flag_row({"quiet", every_verb(), "no progress and no notes on standard error", ""},
               [](Options& options) { options.verbosity = Verbosity::quiet; }),
      flag_row({"verbose", every_verb(), "more of both", ""},
               [](Options& options) { options.verbosity = Verbosity::verbose; }),
  };
}

}  // namespace

std::vector<OptionRow> option_table() {
  Rows table;
  for (Rows (*const part)() :
       {&subject_rows, &batch_rows, &recipe_rows, &verb_rows, &output_rows}) {
    std::ranges::move(part(), std::back_inserter(table));
  }
  return table;
}

std::span<const Verb> all_verbs() {
  static constexpr auto verbs = std::to_array<Verb>(
      {Verb::measure, Verb::rehearse, Verb::estimate, Verb::forecast, Verb::validate, Verb::show});
  return verbs;
}

std::string_view purpose_of(Verb verb) {
  switch (verb) {
    case Verb::measure:
      return "times the kernels and collectives of a job on this cluster (under mpirun or srun)";
    case Verb::rehearse:
      return "runs real training steps beside their estimate (under mpirun or srun)";
    case Verb::estimate:
      return "step time, memory, MFU and the whole run of one job in one layout";
    case Verb::forecast:
      return "what a future-scale model needs, and how much work it does";
    case Verb::validate:
      return "how far predictions are from what was published";
    case Verb::show:
      return "what is known: the catalogs, or one model or cluster of them";
  }
  return {};
}

bool takes(const OptionRow& row, Verb verb) {
  return std::ranges::find(row.verbs, verb) != row.verbs.end();
}

}  // namespace forerun
