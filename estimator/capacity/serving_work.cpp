#include "estimator/capacity/serving_work.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/capacity/layer_builder.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// The vocabulary is split over the ranks of a tensor group, the last one padded.
std::int64_t vocabulary_share(const ServedModel& served) {
  return (served.model.vocabulary + served.layout.tensor - 1) / served.layout.tensor;
}

CollectiveKey logits_gather(const ServedModel& served, std::int64_t sequences, DataType type) {
  const auto bytes = static_cast<std::int64_t>(
      static_cast<double>(sequences * served.model.vocabulary) * size_of(type).in(unit::byte));
  return {Collective::all_gather,
          bytes,
          type,
          neighbours(served.layout.tensor, served.devices_per_node)};
}

}  // namespace

std::string_view name_of(ServingPart part) {
  switch (part) {
    case ServingPart::weights:
      return "weights";
    case ServingPart::experts:
      return "experts";
    case ServingPart::cache:
      return "cache";
    case ServingPart::prefill:
      return "prefill_attention";
    case ServingPart::elementwise:
      return "elementwise";
    case ServingPart::head:
      return "head";
    case ServingPart::exchange:
      return "exchange";
    case ServingPart::draft:
      return "draft";
    case ServingPart::host:
      return "host";
  }
  return {};
}

std::int64_t prompt_tokens(const PassShape& pass) {
  return std::llround(std::ceil(pass.prompts * static_cast<double>(pass.prompt_length) - 1e-9));
}

std::int64_t rows_of(const PassShape& pass) {
  return std::max<std::int64_t>(1, pass.decodes * pass.queries + prompt_tokens(pass));
}

ServedModel served_draft(const ServedModel& served) {
  ServedModel draft{*served.speculation->draft, served.format, {}, served.devices_per_node};
  draft.nvfp4 = served.nvfp4;
  draft.software = served.software;
  const ServingLayout split{.tensor = served.layout.tensor};
  if (!unservable_because(draft.model, split)) {
    draft.layout = split;
  }
  return draft;
}

double visible_context(const ModelShape& model, std::int64_t layer, double context) {
  const auto window = window_of(model, layer);
  if (!window || context <= static_cast<double>(*window)) {
    return context;
  }
  return static_cast<double>(*window) * (model.attention.chunked ? 0.5 : 1.0);
}

std::vector<ServingOp> layer_ops(const ServedModel& served,
                                 const PassShape& pass,
                                 std::int64_t layer) {
  const LayerKind kind = kind_of(served.model, layer);
  const bool is_parallel = served.model.block != Block::sequential;
  LayerBuilder builder(served, pass, layer);
  if (kind.mixer != Mixer::none) {
    builder.norm();
    builder.mixer();
    if (served.model.post_norms) {
      builder.norm();
    }
    builder.residual();
  }
  if (kind.ffn != FeedForward::none) {
    if (!is_parallel) {
      builder.norm();
    }
    builder.feed_forward();
    if (served.model.post_norms) {
      builder.norm();
    }
    builder.residual();
  }
  return builder.take();
}

std::vector<ServingOp> edge_ops(const ServedModel& served, const PassShape& pass) {
  const ModelShape& model = served.model;
  const DataType type = activation_type(served.format.weights);
  const std::int64_t rows = rows_of(pass);
  const std::int64_t columns = vocabulary_share(served);
  const std::int64_t sequences = std::max<std::int64_t>(
      1, pass.decodes * pass.queries + static_cast<std::int64_t>(std::ceil(pass.prompts - 1e-9)));
  std::vector<ServingOp> ops;
  const auto add = [&ops](const KernelKey& key) { ops.push_back({ServingPart::head, key}); };
  add({KernelOp::embedding_forward, type, TableShape{rows, rows, model.hidden, columns}});
  add({model.norm == Norm::rms_norm ? KernelOp::rms_norm_forward : KernelOp::layer_norm_forward,
       type,
       RowsShape{rows, model.hidden}});
  add({KernelOp::gemm, type, GemmShape{sequences, columns, model.hidden}});
  if (served.layout.tensor > 1) {
    ops.push_back({ServingPart::exchange, logits_gather(served, sequences, type)});
  }
  // A token is drawn by one pass for the largest logit and one for the sum.
  add({KernelOp::cross_entropy_max, type, RowsShape{sequences, model.vocabulary}});
  add({KernelOp::cross_entropy_sum, type, RowsShape{sequences, model.vocabulary}});
  return ops;
}

CollectiveKey stage_boundary(const ServedModel& served, const PassShape& pass) {
  const DataType type = activation_type(served.format.weights);
  const double elements = static_cast<double>(rows_of(pass) * served.model.hidden) /
                          static_cast<double>(served.layout.tensor);
  const std::int64_t stage = stage_ranks(served.layout);
  const bool stays = served.devices_per_node >= 2 * stage;
  return {
      Collective::send_recv,
      std::max<std::int64_t>(1, static_cast<std::int64_t>(elements * size_of(type).in(unit::byte))),
      type,
      {2, stays ? 2 : 1, std::min(stage, served.devices_per_node)}};
}

}  // namespace forerun
