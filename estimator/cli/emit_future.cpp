#include "estimator/cli/emit_future.hpp"

#include <filesystem>
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/forecast/future_model.hpp"
#include "estimator/profile/journal.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

double median_of(const nlohmann::ordered_json& document, const char* key) {
  return document.at(key).at("p50").get<double>();
}

// 0.7073 years where the scenario states no length of the run: the longest useful one (Epoch 2025,
// forecasting.md D).
double training_seconds(const nlohmann::ordered_json& document) {
  const auto& inputs = document.at("inputs");
  const double years = inputs.contains("training_years")
                           ? inputs.at("training_years").at("median").get<double>()
                           : 0.7073;
  return years * unit::year.in(unit::second);
}

std::int64_t devices_of(const Options& options, const nlohmann::ordered_json& document) {
  return devices_for(future_device(*options.year),
                     median_of(document, "training_flop"),
                     training_seconds(document));
}

void emit_job(const Options& options,
              const nlohmann::ordered_json& document,
              const OutputStreams& streams) {
  FutureShape shape;
  shape.context = options.sequence.value_or(shape.context);
  shape.experts = options.emitted_experts.experts;
  shape.top_k = options.emitted_experts.top_k;
  const FutureModel model = future_model(median_of(document, "parameters"), shape);
  const std::filesystem::path job = *options.emitted_job;
  const std::filesystem::path config = job.stem().string() + ".config.json";
  const std::string source = fmt::format(
      "forerun forecast --year {} --scenario {}: {:.3g} "
      "parameters at the median",
      *options.year,
      options.scenario,
      median_of(document, "parameters"));
  const double tokens = median_of(document, "training_tokens");
  const std::int64_t batch = batch_for(tokens, model.context, devices_of(options, document));
  write_atomically((job.parent_path() / config).string(), config_json(model, source));
  write_atomically(job.string(),
                   job_toml(model, (job.parent_path() / config).string(), tokens, batch));
  fmt::print(streams.log,
             "wrote {} and {}: {} layers of {}, {} heads{}\n",
             job.string(),
             (job.parent_path() / config).string(),
             model.layers,
             model.hidden,
             model.heads,
             model.experts > 0
                 ? fmt::format(", {} of {} experts a token", model.top_k, model.experts)
                 : "");
}

void emit_cluster(const Options& options,
                  const nlohmann::ordered_json& document,
                  const OutputStreams& streams) {
  const FutureDevice device = future_device(*options.year);
  const std::int64_t devices = devices_of(options, document);
  write_atomically(*options.emitted_cluster, cluster_toml(device, devices));
  fmt::print(streams.log,
             "wrote {}: {} devices of {}\n",
             *options.emitted_cluster,
             count_text(static_cast<double>(devices)),
             text_of(device.bf16_flop_per_s * unit::flop / unit::second));
  if (options.emitted_job) {
    const std::string pair = fmt::format("--job {} --cluster {} --devices {}",
                                         *options.emitted_job,
                                         *options.emitted_cluster,
                                         devices);
    fmt::print(streams.log, "next: forerun plan {0}; forerun capacity {0}\n", pair);
  }
}

}  // namespace

void emit_future(const Options& options,
                 const nlohmann::ordered_json& document,
                 const OutputStreams& streams) {
  if (options.emitted_job) {
    emit_job(options, document, streams);
  }
  if (options.emitted_cluster) {
    emit_cluster(options, document, streams);
  }
}

}  // namespace forerun
