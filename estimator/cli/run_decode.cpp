// `forerun measure --decode`: how fast this machine generates, and how that depends on context.
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/capacity/serving_work.hpp"
#include "estimator/cli/job_options.hpp"
#include "estimator/cli/ranks.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/measure/decode_probe.hpp"
#include "estimator/measure/line_fit.hpp"
#include "estimator/profile/build_info.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr int samples_per_step = 15;

// tp and ep of --layout; other ranks run replicas of their own at the same time.
ServedModel served_from(const Options& options, Ranks& ranks) {
  const std::int64_t world = ranks.world().size();
  const ParallelLayout layout =
      parse_layout(options.layout.value_or("tp=" + std::to_string(world)), world);
  if (layout.pipeline > 1 || layout.context > 1 || layout.expert_tensor > 1) {
    throw InputError("--layout",
                     "decode steps are timed for tp, ep and dp only (expected one like tp=2 or "
                     "dp=2,ep=2)");
  }
  const JobDefaults defaults = job_defaults(ranks.kind());
  const Precision precision = options.precision.value_or(defaults.precisions.front());
  const ServingPrecision format = precision == Precision::fp32   ? ServingPrecision::fp32
                                  : precision == Precision::fp16 ? ServingPrecision::fp16
                                                                 : ServingPrecision::bf16;
  ServedModel served{read_model(options.models.front()),
                     {format, format},
                     {layout.tensor, 1, layout.expert},
                     world};
  if (const auto reason = unservable_because(served.model, served.layout)) {
    throw InputError("--layout", *reason);
  }
  if (const std::int64_t group = stage_ranks(served.layout); world % group != 0) {
    throw InputError("--layout",
                     std::to_string(world) + " ranks are not replicas of " + std::to_string(group) +
                         " (" + text_of(served.layout) + ")");
  }
  return served;
}

// Sequences of one attention group.
std::int64_t sequences_of_group(std::int64_t batch, const ServedModel& served) {
  const std::int64_t groups = attention_groups(served.layout);
  if (batch % groups != 0) {
    throw InputError("--batch",
                     std::to_string(batch) + " sequences are not shared evenly by the " +
                         std::to_string(groups) + " attention groups of " + text_of(served.layout));
  }
  return batch / groups;
}

StepOp step_op(const ServingOp& op) {
  if (const auto* key = std::get_if<CollectiveKey>(&op.work)) {
    return *key;
  }
  if (const auto* product = std::get_if<WeightProduct>(&op.work)) {
    return product->key;
  }
  if (const auto* read = std::get_if<CacheRead>(&op.work)) {
    return read->key;
  }
  return std::get<KernelKey>(op.work);
}

// The keys that `capacity` prices, in order: all layers, then embedding, head and sampling.
DecodeStep step_of(const ServedModel& served, std::int64_t batch, std::int64_t context) {
  const PassShape pass{sequences_of_group(batch, served), static_cast<double>(context), 0.0, 1};
  DecodeStep step;
  step.context = context;
  for (std::int64_t layer = 0; layer < served.model.layers; ++layer) {
    for (const ServingOp& op : layer_ops(served, pass, layer)) {
      step.ops.push_back(step_op(op));
    }
  }
  for (const ServingOp& op : edge_ops(served, pass)) {
    step.ops.push_back(step_op(op));
  }
  return step;
}

std::vector<DecodeStep> steps_of(const ServedModel& served,
                                 std::int64_t batch,
                                 std::int64_t longest) {
  std::vector<DecodeStep> steps;
  for (const std::int64_t eighths : {1, 2, 4, 6, 8}) {
    steps.push_back(step_of(served, batch, std::max<std::int64_t>(1, longest * eighths / 8)));
  }
  return steps;
}

Json fit_json(const std::vector<DecodeTiming>& timings) {
  std::vector<LinePoint> points;
  points.reserve(timings.size());
  for (const DecodeTiming& timing : timings) {
    points.push_back({static_cast<double>(timing.context), timing.timing.median.in(unit::second)});
  }
  const LineFit line = fit_line(points);
  return {{"intercept_s", line.intercept},
          {"intercept_half_width_s", line.intercept_half_width},
          {"slope_s_per_token", line.slope},
          {"slope_half_width_s_per_token", line.slope_half_width}};
}

Json document_of(const ServedModel& served,
                 std::int64_t batch,
                 const std::vector<DecodeTiming>& timings,
                 Ranks& ranks) {
  Json document = document_head();
  document["inputs"] = {{"model", served.model.name},
                        {"tp", served.layout.tensor},
                        {"ep", served.layout.expert},
                        {"ranks", ranks.world().size()},
                        {"batch", batch},
                        {"precision", name_of(served.format.weights)},
                        {"device", ranks.machine().device.report().name}};
  Json rows = Json::array();
  constexpr double words_per_token = 0.75;  // forecasting.md, section 0
  for (const DecodeTiming& timing : timings) {
    const double step = timing.timing.median.in(unit::second);
    rows.push_back({{"context", timing.context},
                    {"step_s", step},
                    {"low_s", timing.timing.low.in(unit::second)},
                    {"high_s", timing.timing.high.in(unit::second)},
                    {"samples", timing.timing.samples},
                    {"tokens_per_s", static_cast<double>(batch) / step},
                    {"words_per_minute", 60.0 * words_per_token / step}});
  }
  document["decode"] = rows;
  document["fit"] = fit_json(timings);
  return document;
}

void print_decode(const Json& document, std::ostream& out) {
  const Json& inputs = document["inputs"];
  fmt::print(out,
             "{} decoding {} sequences at once, tp={}{} on {} ranks of {}, {}\n\n",
             inputs["model"].get<std::string>(),
             inputs["batch"].get<std::int64_t>(),
             inputs["tp"].get<std::int64_t>(),
             inputs["ep"] > 1 ? fmt::format(",ep={}", inputs["ep"].get<std::int64_t>()) : "",
             inputs["ranks"].get<std::int64_t>(),
             inputs["device"].get<std::string>(),
             inputs["precision"].get<std::string>());
  TextTable table(
      {{"context"}, {"step"}, {"95 % of the median"}, {"tokens/s"}, {"words/min\na copy"}});
  const auto time = [](const Json& value) { return text_of(value.get<double>() * unit::second); };
  for (const Json& row : document["decode"]) {
    table.add({std::to_string(row["context"].get<std::int64_t>()),
               time(row["step_s"]),
               time(row["low_s"]) + " to " + time(row["high_s"]),
               count_text(row["tokens_per_s"].get<double>()),
               count_text(row["words_per_minute"].get<double>())});
  }
  table.print(out);
  const Json& fit = document["fit"];
  fmt::print(out,
             "\nstep = {} +- {} and {:.3g} +- {:.2g} us for every token of context (95 %)\n",
             time(fit["intercept_s"]),
             time(fit["intercept_half_width_s"]),
             1e6 * fit["slope_s_per_token"].get<double>(),
             1e6 * fit["slope_half_width_s_per_token"].get<double>());
}

}  // namespace

ExitCode run_decode(const Options& options, const OutputStreams& streams) {
  if (options.models.size() != 1) {
    throw InputError("--model", "is needed exactly once with --decode");
  }
  Ranks ranks(options);
  const ServedModel served = served_from(options, ranks);
  const Machine machine = ranks.machine();
  const int rank = machine.host_world.rank();
  const auto group_of = [&](std::int64_t size) {
    return machine.data_world.split(rank / static_cast<int>(size), rank);
  };
  const auto tensor = group_of(served.layout.tensor);
  const auto stage = group_of(stage_ranks(served.layout));
  const std::int64_t batch = options.batch.value_or(attention_groups(served.layout));
  const std::int64_t longest = options.sequence.value_or(
      std::min(served.model.max_positions, job_defaults(ranks.kind()).longest_sequence));
  const auto timings = time_decode_steps(steps_of(served, batch, longest),
                                         {machine.device, machine.host_world, *tensor, *stage},
                                         samples_per_step);
  if (ranks.is_root()) {
    for (const std::string& warning : ranks.warnings()) {
      fmt::print(streams.log, "warning: {}\n", warning);
    }
    write_result(document_of(served, batch, timings, ranks), print_decode, options, streams.out);
  }
  return ExitCode::answered;
}

}  // namespace forerun
