// The rows of the option table, and how each kind of row checks and stores its value.
#include "estimator/cli/option_table.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "estimator/cli/option_row.hpp"
#include "estimator/cli/option_values.hpp"
#include "jobs/read_model.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using Verbs = std::vector<Verb>;
using Rows = std::vector<OptionRow>;

template <class Value>
using Choices = std::vector<std::pair<std::string, Value>>;

template <class Value, class Member>
OptionRow choice_row(AboutRow about, const Choices<Value>& choices, Member Options::*member) {
  std::vector<std::string> words;
  std::string placeholder;
  for (const auto& spelling : choices) {
    words.push_back(spelling.first);
    placeholder += (placeholder.empty() ? "" : "|") + spelling.first;
  }
  const auto parse = [choices, words](const OptionValue& value) {
    return choices[word_index(value, words)].second;
  };
  constexpr std::size_t longest_placeholder = 30;  // beyond it the help text lists the words
  if (placeholder.size() > longest_placeholder) {
    placeholder = "NAME";
    about.help += ": " + listed(words);
  }
  OptionRow row = value_row(std::move(about), placeholder, parse, member);
  row.words = std::move(words);
  return row;
}

Verbs every_verb() {
  return {all_verbs().begin(), all_verbs().end()};
}

/// The verbs that answer in a table, in JSON or in CSV.
Verbs answering_verbs() {
  Verbs verbs = every_verb();
  std::erase(verbs, Verb::report);
  return verbs;
}

/// The verbs that look at training jobs.
Verbs job_verbs() {
  return {
      Verb::measure, Verb::rehearse, Verb::estimate, Verb::plan, Verb::forecast, Verb::validate};
}

Verbs job_verbs_and(Verb other) {
  Verbs verbs = job_verbs();
  verbs.push_back(other);
  return verbs;
}

/// The verbs that take an option of jobs and capacity too.
Verbs job_and_capacity_verbs() {
  return job_verbs_and(Verb::capacity);
}

/// A row whose value `plan` may be given several of: "1024..16384", "1024|2048".
OptionRow counts_row(AboutRow about,
                     std::optional<std::int64_t> Options::*one,
                     std::vector<std::int64_t> Options::*several) {
  OptionRow row = row_about(std::move(about));
  row.placeholder = "N";
  row.assign = [one, several](Options& options, const OptionValue& value) {
    if (options.verb == Verb::plan) {
      options.*several = count_set(value);
    } else {
      options.*one = whole_number(value);
    }
  };
  return row;
}

Rows subject_rows() {
  OptionRow model = row_about({"model",
                               {Verb::measure,
                                Verb::rehearse,
                                Verb::estimate,
                                Verb::plan,
                                Verb::capacity,
                                Verb::forecast,
                                Verb::validate,
                                Verb::show},
                               "the model; measure and rehearse take several",
                               ""});
  model.placeholder = "NAME|FILE|DIR";
  model.kind = OptionKind::repeatable;
  model.names = catalog_models;
  model.assign = [](Options& options, const OptionValue& value) {
    options.models.push_back(nonempty_text(value));
  };
  return {
      std::move(model),
      named(value_row({"cluster",
                       {Verb::rehearse,
                        Verb::estimate,
                        Verb::plan,
                        Verb::capacity,
                        Verb::forecast,
                        Verb::validate,
                        Verb::show},
                       "the hardware: a catalog name, a cluster .toml or a profile .json",
                       ""},
                      "NAME|FILE",
                      nonempty_text,
                      &Options::cluster),
            catalog_clusters),
      counts_row({"devices",
                  job_and_capacity_verbs(),
                  "how many devices the job uses; plan takes sets: 1024|1536, and 1024..16384 for "
                  "every doubling",
                  "the product of the layout's degrees, where it names dp; else the ranks of a "
                  "profile or of mpirun"},
                 &Options::devices,
                 &Options::device_set),
      choice_row<DeviceKind>({"device",
                              {Verb::measure, Verb::rehearse},
                              "what a rank drives",
                              "cuda where there is one"},
                             {{"cuda", DeviceKind::cuda}, {"host", DeviceKind::host}},
                             &Options::device),
      value_row({"layout",
                 job_and_capacity_verbs(),
                 "how the job is split: tp=8,pp=16,vp=8,dp=128; measure and rehearse take sets: "
                 "tp=1|2, pp=1..4, tp=2;pp=2; capacity: how a replica is, by tp, pp and ep",
                 "data-parallel; capacity tries all"},
                "SPEC",
                nonempty_text,
                &Options::layout),
  };
}

// Tokens or steps, whichever was said last: a flag beats the file.
OptionRow tokens_row() {
  OptionRow row = row_about({"tokens",
                             {Verb::estimate, Verb::plan},
                             "tokens of the whole run, for its days and cost: 15T",
                             ""});
  row.placeholder = "N";
  row.assign = [](Options& options, const OptionValue& value) {
    options.tokens = token_count(value);
    options.run.steps.reset();
  };
  return row;
}

/// Of a rehearsal, or of the whole run.
OptionRow steps_row() {
  OptionRow row = row_about({"steps",
                             {Verb::rehearse, Verb::estimate, Verb::plan},
                             "steps that are run and timed per layout; estimate and plan: of the "
                             "whole run, where --tokens does not say its length",
                             "rehearse: 5"});
  row.placeholder = "N";
  row.assign = [](Options& options, const OptionValue& value) {
    const std::int64_t steps = whole_number(value);
    if (options.verb == Verb::estimate || options.verb == Verb::plan) {
      options.run.steps = static_cast<double>(steps);
      options.tokens.reset();
    } else {
      options.steps = steps;
    }
  };
  return row;
}

Rows batch_rows() {
  return {
      counts_row({"batch",
                  job_and_capacity_verbs(),
                  "global batch, in sequences per step; plan takes sets as of --devices; capacity: "
                  "sequences that a replica decodes at once",
                  "devices * micro-batch; capacity tries all"},
                 &Options::batch,
                 &Options::batch_set),
      value_row({"micro-batch", job_verbs(), "sequences of one micro-batch", "1"},
                "N",
                micro_batch_size,
                &Options::micro_batch),
      value_row({"seq",
                 job_verbs_and(Verb::show),
                 "tokens of one sequence",
                 "the model's context, at most 4096; on a CPU at most 256; show: the context"},
                "N",
                sequence_length,
                &Options::sequence),
      tokens_row(),
      steps_row(),
      value_row({"hold-out",
                 {Verb::rehearse},
                 "share of the profile's kernels that the prediction does not get to see, drawn by "
                 "--seed: 20%",
                 "0"},
                "PERCENT",
                fraction,
                &Options::hold_out),
      value_row({"layers",
                 {Verb::rehearse},
                 "how many layers of a deeper model are run, at its own widths",
                 "all; as many as fit where they do not"},
                "N",
                whole_number,
                &Options::layers),
  };
}

Choices<Software> software_choices() {
  Choices<Software> choices;
  for (const Software& software : software_presets()) {
    choices.emplace_back(software.preset, software);
  }
  return choices;
}

/// One option, two sets of formats: a training job's and, for `capacity`, those of serving.
OptionRow precision_row() {
  OptionRow row = choice_row<Precision>({"precision",
                                         job_and_capacity_verbs(),
                                         "number format of the training; fp16, fp8, mxfp8 and "
                                         "nvfp4 are estimated only; capacity: of weights and "
                                         "products, int8 and int4 (weights only) too",
                                         "bf16; on a CPU fp32, and measure takes both"},
                                        {{"bf16", Precision::bf16},
                                         {"fp16", Precision::fp16},
                                         {"fp32", Precision::fp32},
                                         {"fp8", Precision::fp8},
                                         {"mxfp8", Precision::mxfp8},
                                         {"nvfp4", Precision::nvfp4}},
                                        &Options::precision);
  row.assign = [of_training = row.assign](Options& options, const OptionValue& value) {
    if (options.verb == Verb::capacity) {
      options.serving_precision = serving_precision(value);
    } else {
      of_training(options, value);
    }
  };
  return row;
}

// What trains and what serves have names of their own.
OptionRow software_row() {
  OptionRow row = choice_row<Software>(
      {"software",
       {Verb::estimate, Verb::plan, Verb::capacity, Verb::forecast, Verb::validate},
       "the framework whose kernels, formats and overlap are assumed; capacity: cuda-graphs, "
       "fastertransformer or pytorch-eager",
       "megatron-core, peft for adapters; on a CPU forerun's own; capacity: cuda-graphs"},
      software_choices(),
      &Options::software);
  std::vector<std::string> serving;
  for (const ServingSoftware& software : serving_software()) {
    serving.emplace_back(software.name);
  }
  row.words.insert(row.words.end(), serving.begin(), serving.end());
  row.assign = [of_training = row.assign, serving](Options& options, const OptionValue& value) {
    if (options.verb == Verb::capacity) {
      options.serving_software = *serving_software_from(serving[word_index(value, serving)]);
    } else {
      of_training(options, value);
    }
  };
  return row;
}

OptionRow stage_layers_row() {
  OptionRow row =
      value_row({"stage-layers",
                 job_verbs(),
                 "layers of each chunk of the pipeline, or what embedding and head count "
                 "as; plan: any tries several",
                 "even"},
                "even|ends:E+H|N+N+...",
                stage_split,
                &Options::stage_split);
  row.assign = [of_one = row.assign](Options& options, const OptionValue& value) {
    options.tries_stage_splits = options.verb == Verb::plan && value.text == "any";
    if (!options.tries_stage_splits) {
      of_one(options, value);
    }
  };
  return row;
}

/// One option; `plan` may be given several of its values.
OptionRow offload_row() {
  OptionRow row = row_about({"offload",
                             {Verb::rehearse, Verb::estimate, Verb::plan},
                             "what lies in the host's memory and comes and goes over its link; "
                             "estimated only; plan takes sets: none|optimizer, and any for all",
                             "none"});
  row.placeholder = "none|activations,optimizer,weights";
  row.assign = [](Options& options, const OptionValue& value) {
    if (options.verb == Verb::plan) {
      options.offload_set = offload_set(value);
    } else {
      options.offload = offload(value);
    }
  };
  return row;
}

Rows recipe_rows() {
  return {
      precision_row(),
      choice_row<bool>({"fp8-param-gather",
                        {Verb::estimate, Verb::plan},
                        "matrices of layers kept and gathered in 8 bits alone, with --precision "
                        "fp8 or mxfp8",
                        "off"},
                       {{"on", true}, {"off", false}},
                       &Options::fp8_param_gather),
      value_row({"recompute",
                 job_verbs(),
                 "activations that the backward pass recomputes; modules: core_attn, layernorm, "
                 "mlp_act, mlp, moe_act; block: whole layers, the first N of each chunk, the same "
                 "everywhere or one N for every stage",
                 "none"},
                "none|selective|full|MODULE+MODULE|block:N|block:N+N+...",
                recompute_policy,
                &Options::recompute),
      stage_layers_row(),
      offload_row(),
      choice_row<ContextKind>(
          {"cp-kind", job_verbs(), "how attention reaches over a context-parallel group", "ring"},
          {{"ring", ContextKind::ring},
           {"allgather", ContextKind::all_gather},
           {"ulysses", ContextKind::ulysses},
           {"hierarchical", ContextKind::hierarchical}},
          &Options::context_kind),
      value_row({"ep-kind",
                 job_verbs(),
                 "how tokens reach their experts: a copy for each, or for each node",
                 "plain"},
                "plain|hierarchical|node-limited:M",
                expert_dispatch,
                &Options::expert_dispatch),
      value_row(
          {"expert-load",
           job_verbs(),
           "how many tokens go to each expert; rehearse sends them so where it is balanced or "
           "multinomial, else its fresh router chooses",
           "balanced"},
          "balanced|multinomial|power-law:ALPHA|busiest:FACTOR",
          expert_load,
          &Options::expert_load),
      choice_row<Schedule>(
          {"schedule", job_verbs(), "pipeline schedule", "1f1b, interleaved when vp > 1"},
          {{"gpipe", Schedule::gpipe},
           {"1f1b", Schedule::one_f_one_b},
           {"interleaved", Schedule::interleaved},
           {"breadth-first", Schedule::breadth_first},
           {"zb-h1", Schedule::zb_h1},
           {"zb-h2", Schedule::zb_h2},
           {"zb-v", Schedule::zb_v},
           {"dualpipe", Schedule::dualpipe},
           {"dualpipe-v", Schedule::dualpipe_v}},
          &Options::schedule),
  };
}

Rows tuning_rows() {
  const std::vector<Verb> verbs{Verb::measure, Verb::estimate, Verb::plan};
  return {
      choice_row<Tuning>(
          {"tuning",
           verbs,
           "which weights are trained: all, or adapters beside frozen ones of 16 or 4 bits",
           "full"},
          {{"full", Tuning::full}, {"lora", Tuning::lora}, {"qlora", Tuning::qlora}},
          &Options::tuning),
      value_row({"lora-rank", verbs, "rank of the adapters", "16"},
                "N",
                whole_number,
                &Options::lora_rank),
      value_row({"lora-targets", verbs, "the linear layers that have adapters", "all-linear"},
                "all-linear|q_proj+v_proj+...",
                lora_targets,
                &Options::lora_targets),
      named(value_row(
                {"teacher",
                 {Verb::estimate, Verb::plan},
                 "distillation: a frozen model that runs forward beside the one that is trained",
                 ""},
                "NAME|config.json",
                nonempty_text,
                &Options::teacher),
            catalog_models),
  };
}

Rows sharing_rows() {
  return {
      choice_row<SequenceParallel>(
          {"sp", job_verbs(), "sequence parallelism within a tensor-parallel group", "on"},
          {{"on", SequenceParallel::on}, {"off", SequenceParallel::off}},
          &Options::sequence_parallel),
      choice_row<ZeroStage>(
          {"zero",
           job_verbs(),
           "what data-parallel ranks shard: 1 the optimizer state, 2 gradients too, 3 weights too",
           "1"},
          {{"0", ZeroStage::none},
           {"1", ZeroStage::optimizer},
           {"2", ZeroStage::gradients},
           {"3", ZeroStage::parameters}},
          &Options::zero),
      value_row(
          {"fsdp",
           job_verbs(),
           "as --zero 3: over all data-parallel ranks, or over groups of N that are replicated",
           ""},
          "full|hsdp:N",
          shard_group,
          &Options::shard_group),
      software_row(),
      choice_row<bool>({"launch-blocking",
                        {Verb::estimate, Verb::plan},
                        "the host waits for every kernel, as with CUDA_LAUNCH_BLOCKING=1: launches "
                        "hide under nothing, and nothing overlaps",
                        "off"},
                       {{"on", true}, {"off", false}},
                       &Options::launch_blocking),
      choice_row<Overlap>({"overlap",
                           job_verbs(),
                           "communication that runs while the device computes",
                           "on; off on a CPU"},
                          {{"on", Overlap::on}, {"off", Overlap::off}},
                          &Options::overlap),
      value_row(
          {"rank-order",
           {Verb::measure, Verb::rehearse, Verb::estimate, Verb::plan, Verb::validate},
           "which dimension of the layout neighbouring ranks differ in, innermost first",
           "tp-cp-ep-dp-pp"},
          "ORDER",
          [](const OptionValue& value) { return rank_order_from(value.text, value.where); },
          &Options::rank_order),
  };
}

Rows output_rows() {
  return {
      value_row({"seed",
                 {Verb::measure, Verb::rehearse, Verb::forecast},
                 "seed of random operands and samples, and of the order of a rehearsal's cases",
                 "1"},
                "N",
                seed_number,
                &Options::seed),
      flag_row({"strict",
                {Verb::rehearse,
                 Verb::estimate,
                 Verb::plan,
                 Verb::capacity,
                 Verb::forecast,
                 Verb::validate},
                "refuse costs that were neither measured nor interpolated",
                ""},
               [](Options& options) { options.strict = true; }),
      choice_row<Format>(
          {"format",
           answering_verbs(),
           "how the result is written; without it the suffix of --out says json or csv",
           "table"},
          {{"table", Format::table}, {"json", Format::json}, {"csv", Format::csv}},
          &Options::format),
      value_row({"out",
                 every_verb(),
                 "file for the result",
                 "standard output; measure: profile.json; rehearse: rehearsal.json too; report: "
                 "report.html"},
                "FILE",
                nonempty_text,
                &Options::out),
      value_row({"trace",
                 {Verb::estimate},
                 "file for the step's timeline, which ui.perfetto.dev and chrome://tracing open",
                 ""},
                "FILE",
                nonempty_text,
                &Options::trace),
      flag_row({"quiet", every_verb(), "no progress and no notes on standard error", ""},
               [](Options& options) { options.verbosity = Verbosity::quiet; }),
      flag_row({"verbose", every_verb(), "more of both", ""},
               [](Options& options) { options.verbosity = Verbosity::verbose; }),
  };
}

}  // namespace

std::vector<OptionRow> option_table() {
  Rows table;
  for (Rows (*const part)() : {&subject_rows,
                               &batch_rows,
                               &recipe_rows,
                               &tuning_rows,
                               &sharing_rows,
                               &measure_rows,
                               &show_rows,
                               &capacity_rows,
                               &forecast_rows,
                               &plan_rows,
                               &straggler_rows,
                               &run_rows,
                               &validate_rows,
                               &report_rows,
                               &import_rows,
                               &output_rows}) {
    std::ranges::move(part(), std::back_inserter(table));
  }
  return table;
}

std::span<const Verb> all_verbs() {
  static constexpr auto verbs = std::to_array<Verb>({Verb::measure,
                                                     Verb::rehearse,
                                                     Verb::estimate,
                                                     Verb::plan,
                                                     Verb::capacity,
                                                     Verb::forecast,
                                                     Verb::validate,
                                                     Verb::report,
                                                     Verb::show,
                                                     Verb::import});
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
    case Verb::plan:
      return "which layout is best, what it costs, and what else is on the Pareto front";
    case Verb::capacity:
      return "tokens per second, copies and human-equivalents that devices serve a model with";
    case Verb::forecast:
      return "what a future-scale model needs, and how much work it does";
    case Verb::validate:
      return "how far predictions are from what was published";
    case Verb::report:
      return "results of the other verbs as one page to look at, offline too";
    case Verb::show:
      return "what is known: the catalogs, or one model or cluster of them";
    case Verb::import:
      return "logs of other benchmarks into a profile, or several profiles into one";
  }
  return {};
}

bool takes(const OptionRow& row, Verb verb) {
  return std::ranges::find(row.verbs, verb) != row.verbs.end();
}

}  // namespace forerun
