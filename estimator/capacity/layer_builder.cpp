#include "estimator/capacity/layer_builder.hpp"

#include <algorithm>
#include <cmath>

#include "units/unit.hpp"

namespace forerun {
namespace {

std::int64_t share(std::int64_t whole, std::int64_t ranks) {
  return std::max<std::int64_t>(1, whole / ranks);
}

}  // namespace

LayerBuilder::LayerBuilder(const ServedModel& served, const PassShape& pass, std::int64_t layer)
    : served_(served),
      model_(served.model),
      pass_(pass),
      layer_(layer),
      kind_(kind_of(served.model, layer)),
      rows_(rows_of(pass)),
      heads_(share(served.model.attention.heads, served.layout.tensor)),
      kv_heads_(share(served.model.attention.kv_heads, served.layout.tensor)),
      activation_(activation_type(served.format.weights)) {}

void LayerBuilder::product(ServingPart part, std::int64_t n, std::int64_t k) {
  const KernelKey key{KernelOp::gemm, product_type(served_.format.weights), GemmShape{rows_, n, k}};
  ops_.push_back({part, WeightProduct{key}});
}

void LayerBuilder::rows_kernel(ServingPart part,
                               KernelOp op,
                               std::int64_t rows,
                               std::int64_t columns) {
  ops_.push_back({part, KernelKey{op, activation_, RowsShape{rows, columns}}});
}

void LayerBuilder::heads_kernel(KernelOp op) {
  const HeadsShape shape{
      rows_, rows_, heads_, kv_heads_, model_.attention.head_size, model_.attention.rotary_size};
  ops_.push_back({ServingPart::elementwise, KernelKey{op, activation_, shape}});
}

void LayerBuilder::norm() {
  const KernelOp op =
      model_.norm == Norm::rms_norm ? KernelOp::rms_norm_forward : KernelOp::layer_norm_forward;
  rows_kernel(ServingPart::elementwise, op, rows_, model_.hidden);
}

void LayerBuilder::residual() {
  rows_kernel(ServingPart::elementwise, KernelOp::add, rows_, model_.hidden);
}

void LayerBuilder::all_reduce() {
  if (served_.layout.tensor > 1) {
    const auto bytes = static_cast<std::int64_t>(static_cast<double>(rows_ * model_.hidden) *
                                                 size_of(activation_).in(unit::byte));
    ops_.push_back({ServingPart::exchange,
                    CollectiveKey{Collective::all_reduce,
                                  bytes,
                                  activation_,
                                  neighbours(served_.layout.tensor, served_.devices_per_node)}});
  }
}

void LayerBuilder::mixer() {
  switch (kind_.mixer) {
    case Mixer::attention:
      model_.latent ? latent_attention(*model_.latent) : grouped_attention();
      break;
    case Mixer::mamba:
      mamba(*model_.state_space);
      break;
    case Mixer::mamba2:
      mamba2(*model_.state_space);
      break;
    case Mixer::delta_net:
      delta_net(*model_.delta_net);
      break;
    case Mixer::none:
      return;
  }
  all_reduce();
}

void LayerBuilder::grouped_attention() {
  const AttentionShape& attention = model_.attention;
  const std::int64_t q = heads_ * attention.head_size;
  const std::int64_t gate = attention.output_gate ? q : 0;
  product(ServingPart::weights, q + 2 * kv_heads_ * attention.head_size + gate, model_.hidden);
  if (attention.qk_norm) {
    heads_kernel(KernelOp::qk_norm_forward);
  }
  if (model_.position == Position::rope && kind_.rope) {
    heads_kernel(KernelOp::rope_forward);
  }
  prompt_attention(attention.head_size, 0);
  decode_attention();
  if (attention.output_gate) {
    rows_kernel(ServingPart::elementwise, KernelOp::swiglu_forward, rows_, q);
  }
  product(ServingPart::weights, model_.hidden, q);
}

void LayerBuilder::prompt_attention(std::int64_t head_size, std::int64_t value_size) {
  if (pass_.prompts <= 0.0) {
    return;
  }
  AttentionKeyShape shape{.batch = 1,
                          .length = pass_.prompt_length,
                          .heads = heads_,
                          .kv_heads = model_.latent ? heads_ : kv_heads_,
                          .head_size = head_size,
                          .value_size = value_size};
  double count = pass_.prompts;
  const auto window = window_of(model_, layer_);
  if (window && *window < pass_.prompt_length) {
    if (model_.attention.chunked) {
      count *= static_cast<double>(pass_.prompt_length) / static_cast<double>(*window);
      shape.length = *window;
    } else {
      shape.window = *window;
    }
  }
  ops_.push_back(
      {ServingPart::prefill, KernelKey{KernelOp::attention_forward, activation_, shape}, count});
}

void LayerBuilder::decode_attention() {
  if (pass_.decodes == 0) {
    return;
  }
  const double context = visible_context(model_, layer_, pass_.context);
  const DecodeShape shape{pass_.decodes,
                          std::max<std::int64_t>(1, std::llround(context)),
                          heads_,
                          served_.software.shares_cache ? kv_heads_ : heads_,
                          model_.attention.head_size};
  if (!served_.software.is_fused) {
    // Keys and values are joined with those of the new token in memory of their own.
    const std::int64_t cached =
        shape.batch * shape.context * kv_heads_ * model_.attention.head_size;
    for (int i = 0; i < 2; ++i) {
      ops_.push_back(
          {ServingPart::cache,
           KernelKey{KernelOp::copy, cache_type(served_.format.cache), FlatShape{cached}}});
    }
  }
  const double flop = 4.0 * static_cast<double>(pass_.decodes * pass_.queries * heads_) *
                      static_cast<double>(model_.attention.head_size) * context;
  ops_.push_back({ServingPart::cache,
                  CacheRead{{KernelOp::decode_attention, cache_type(served_.format.cache), shape},
                            flop * unit::flop}});
}

// DeepSeek-V2, arXiv 2405.04434, section 2.1: the down projections are not split.
void LayerBuilder::latent_attention(const LatentAttention& latent) {
  const std::int64_t query = heads_ * (latent.nope_head_size + latent.rope_head_size);
  const std::int64_t down = latent.kv_rank + latent.rope_head_size;
  if (latent.query_rank) {
    product(ServingPart::weights, *latent.query_rank + down, model_.hidden);
    rows_kernel(ServingPart::elementwise, KernelOp::rms_norm_forward, rows_, *latent.query_rank);
    product(ServingPart::weights, query, *latent.query_rank);
  } else {
    product(ServingPart::weights, query + down, model_.hidden);
  }
  rows_kernel(ServingPart::elementwise, KernelOp::rms_norm_forward, rows_, latent.kv_rank);
  const HeadsShape turned{rows_, rows_, heads_, 1, latent.rope_head_size, 0};
  ops_.push_back(
      {ServingPart::elementwise, KernelKey{KernelOp::rope_forward, activation_, turned}});
  if (const std::int64_t tokens = prompt_tokens(pass_); tokens > 0) {
    const std::int64_t up = heads_ * (latent.nope_head_size + latent.value_head_size);
    ops_.push_back({ServingPart::prefill,
                    WeightProduct{{KernelOp::gemm,
                                   product_type(served_.format.weights),
                                   GemmShape{tokens, up, latent.kv_rank}}}});
    prompt_attention(latent.nope_head_size + latent.rope_head_size, latent.value_head_size);
  }
  if (pass_.decodes > 0) {
    latent_decode(latent);
  }
  product(ServingPart::weights, model_.hidden, heads_ * latent.value_head_size);
}

// The up projections absorbed into queries and outputs, head by head; every head reads the one
// latent of kv_rank + rope_head_size elements a token, whose first kv_rank are the values.
void LayerBuilder::latent_decode(const LatentAttention& latent) {
  const DataType type = product_type(served_.format.weights);
  const std::int64_t queries = pass_.decodes * pass_.queries;
  const std::int64_t rows = queries * heads_;
  const auto absorbed = [&](std::int64_t n, std::int64_t k) {
    const GroupedGemmShape shape{heads_, rows, queries, n, k};
    ops_.push_back({ServingPart::cache, WeightProduct{{KernelOp::grouped_gemm, type, shape}}});
  };
  absorbed(latent.kv_rank, latent.nope_head_size);
  const DecodeShape shape{pass_.decodes,
                          std::max<std::int64_t>(1, std::llround(pass_.context)),
                          heads_,
                          1,
                          latent.kv_rank + latent.rope_head_size,
                          latent.kv_rank};
  const double macs = static_cast<double>(rows) * pass_.context *
                      static_cast<double>(2 * latent.kv_rank + latent.rope_head_size);
  ops_.push_back(
      {ServingPart::cache,
       CacheRead{{KernelOp::latent_decode_attention, cache_type(served_.format.cache), shape},
                 2.0 * macs * unit::flop}});
  absorbed(latent.value_head_size, latent.kv_rank);
}

void LayerBuilder::state_step(std::int64_t elements) {
  if (pass_.decodes > 0) {
    ops_.push_back(
        {ServingPart::cache,
         KernelKey{
             KernelOp::copy, activation_, FlatShape{pass_.decodes * pass_.queries * elements}}});
  }
}

void LayerBuilder::convolution(std::int64_t channels, std::int64_t width) {
  ops_.push_back(
      {ServingPart::elementwise,
       KernelKey{KernelOp::conv1d_forward, activation_, ConvShape{1, rows_, channels, width}}});
}

void LayerBuilder::mamba(const StateSpace& s) {
  const std::int64_t inner = share(s.inner, served_.layout.tensor);
  product(ServingPart::weights, 2 * inner, model_.hidden);
  convolution(inner, s.conv_width);
  product(ServingPart::weights, s.dt_rank + 2 * s.state, inner);
  product(ServingPart::weights, inner, s.dt_rank);
  state_step(inner * (s.state + s.conv_width - 1));
  if (pass_.prompts > 0.0) {
    ops_.push_back({ServingPart::prefill,
                    KernelKey{KernelOp::selective_scan_forward,
                              activation_,
                              ScanShape{1, pass_.prompt_length, inner, s.state}},
                    pass_.prompts});
  }
  product(ServingPart::weights, model_.hidden, inner);
}

void LayerBuilder::mamba2(const StateSpace& s) {
  const std::int64_t tensor = served_.layout.tensor;
  const std::int64_t inner = share(s.inner, tensor);
  const std::int64_t heads = share(s.heads, tensor);
  const std::int64_t groups = share(s.groups, tensor);
  const std::int64_t convolved = inner + 2 * groups * s.state;
  product(ServingPart::weights, inner + convolved + heads, model_.hidden);
  convolution(convolved, s.conv_width);
  state_step(inner * s.state + convolved * (s.conv_width - 1));
  if (pass_.prompts > 0.0) {
    constexpr std::int64_t chunk = 256;  // of the Mamba-2 code's default (modelling.md 1.2)
    ops_.push_back(
        {ServingPart::prefill,
         KernelKey{
             KernelOp::ssd_forward,
             activation_,
             SsdShape{1, pass_.prompt_length, heads, s.inner / s.heads, groups, s.state, chunk}},
         pass_.prompts});
  }
  rows_kernel(ServingPart::elementwise, KernelOp::rms_norm_forward, rows_, inner);
  product(ServingPart::weights, model_.hidden, inner);
}

// The state is a key size x value size matrix of each value head; prompts go through it in chunks
// whose products the projections outweigh, so they are priced by what they move.
void LayerBuilder::delta_net(const DeltaNet& d) {
  const std::int64_t tensor = served_.layout.tensor;
  const std::int64_t keys = share(d.key_heads, tensor) * d.key_size;
  const std::int64_t heads = share(d.value_heads, tensor);
  const std::int64_t values = heads * d.value_size;
  product(ServingPart::weights, 2 * keys + 2 * values + 2 * heads, model_.hidden);
  convolution(2 * keys + values, d.conv_width);
  state_step(heads * d.key_size * d.value_size + (2 * keys + values) * (d.conv_width - 1));
  if (const std::int64_t tokens = prompt_tokens(pass_); tokens > 0) {
    ops_.push_back(
        {ServingPart::prefill,
         KernelKey{KernelOp::copy, activation_, FlatShape{tokens * (2 * keys + 2 * values)}}});
  }
  rows_kernel(ServingPart::elementwise, KernelOp::rms_norm_forward, rows_, values);
  product(ServingPart::weights, model_.hidden, values);
}

}  // namespace forerun
