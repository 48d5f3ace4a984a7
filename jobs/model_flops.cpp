// The multiply-adds of one token.
#include <cmath>

#include "jobs/forward_macs.hpp"
#include "jobs/job.hpp"
#include "jobs/parameter_count.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Whole chunks of w see w/2 keys a query on average, the last one half of what is left.
double chunk_context(double w, double sequence) {
  const double whole = std::floor(sequence / w);
  const double rest = sequence - whole * w;
  return (whole * w * w + rest * rest) / (2.0 * sequence);
}

// Keys that a query attends to on average: s/2 under a causal mask; with a window w < s the first w
// queries see w/2 on average and the others w, w - w^2/(2s) in all.
double mean_context(const ModelShape& model, std::int64_t layer, double sequence) {
  const auto window = window_of(model, layer);
  if (!window || real(*window) >= sequence) {
    return sequence / 2.0;
  }
  const double w = real(*window);
  return model.attention.chunked ? chunk_context(w, sequence) : w - w * w / (2.0 * sequence);
}

// The weights of the projections, each used once.
std::int64_t projection_macs(const ModelShape& model) {
  const AttentionShape& attention = model.attention;
  if (model.latent) {
    return latent_weights(model, *model.latent);
  }
  const std::int64_t q = attention.heads * attention.head_size;
  const std::int64_t kv = attention.kv_heads * attention.head_size;
  return model.hidden * (2 * q + 2 * kv + (attention.output_gate ? q : 0));
}

// QK^T and PV: heads * (query-key size + value size) for each key.
std::int64_t core_macs_per_key(const ModelShape& model) {
  const std::int64_t sizes = model.latent
                                 ? model.latent->nope_head_size + model.latent->rope_head_size +
                                       model.latent->value_head_size
                                 : 2 * model.attention.head_size;
  return model.attention.heads * sizes;
}

// Megatron-LM, mamba_layer_flops: projections, and 7 FLOP a channel and state for the scan.
double mamba2_macs(const ModelShape& model, const StateSpace& s) {
  return real(model.hidden * (2 * s.inner + 2 * s.state * s.groups + s.heads)) +
         3.5 * real(s.inner * s.state) + real(s.inner * model.hidden);
}

// The same with Mamba-1's projections (modelling.md 1.2).
double mamba_macs(const ModelShape& model, const StateSpace& s) {
  return real(model.hidden * 2 * s.inner) + real(s.inner * (s.dt_rank + 2 * s.state)) +
         real(s.dt_rank * s.inner) + 3.5 * real(s.inner * s.state) + real(s.inner * model.hidden);
}

// Megatron-LM's count of gated DeltaNet: projections, convolution, the state's update and read.
double delta_macs(const ModelShape& model, const DeltaNet& d) {
  const std::int64_t q = d.key_heads * d.key_size;
  const std::int64_t x = d.value_heads * d.value_size;
  return real(model.hidden * (2 * q + 2 * x + 2 * d.value_heads)) +
         real(d.conv_width * (2 * q + x)) +
         4.0 * real(d.value_heads * d.value_size * d.value_size) + real(model.hidden * x);
}

void add_mixer(const ModelShape& model, std::int64_t layer, double sequence, ForwardMacs& macs) {
  switch (kind_of(model, layer).mixer) {
    case Mixer::attention:
      macs.projections += real(projection_macs(model));
      macs.scores += real(core_macs_per_key(model)) * mean_context(model, layer, sequence);
      return;
    case Mixer::mamba:
      macs.mixers += mamba_macs(model, *model.state_space);
      return;
    case Mixer::mamba2:
      macs.mixers += mamba2_macs(model, *model.state_space);
      return;
    case Mixer::delta_net:
      macs.mixers += delta_macs(model, *model.delta_net);
      return;
    case Mixer::none:
      return;
  }
}

// FFN, or the experts of one token, shared ones included, the router left out.
double ffn_macs(const ModelShape& model, FeedForward ffn) {
  const std::int64_t matrices = is_gated(model.activation) ? 3 : 2;
  switch (ffn) {
    case FeedForward::dense:
      return real(matrices * model.hidden * model.ffn_hidden);
    case FeedForward::experts:
      return real(matrices * (expert_width(model) * model.moe->top_k * model.moe->expert_hidden +
                              model.hidden * model.moe->shared_hidden) +
                  2 * model.moe->latent * model.hidden);
    case FeedForward::none:
      break;
  }
  return 0.0;
}

}  // namespace

// The output layer counts once, the look-up of the embedding nothing.
ForwardMacs forward_macs(const ModelShape& model, std::int64_t sequence) {
  ForwardMacs macs;
  macs.head = real(model.hidden * model.vocabulary);
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    add_mixer(model, layer, real(sequence), macs);
    macs.ffn += ffn_macs(model, kind_of(model, layer).ffn);
  }
  return macs;
}

std::optional<std::int64_t> attention_crossover(const ModelShape& model) {
  const auto reaches = [&](std::int64_t sequence) {
    const ForwardMacs macs = forward_macs(model, sequence);
    return macs.attention() >= macs.ffn;
  };
  std::int64_t low = 1;
  std::int64_t high = std::int64_t{1} << 40;
  if (reaches(low) || !reaches(high)) {
    return std::nullopt;
  }
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (reaches(middle) ? high : low) = middle;
  }
  return high;
}

// Megatron-LM, num_floating_point_operations: two FLOP a multiply-add; the backward pass costs
// twice the forward one.
Flops model_flops_per_token(const ModelShape& model, std::int64_t sequence) {
  constexpr double flop_per_mac = 2.0;
  constexpr double passes = 3.0;
  return passes * flop_per_mac * forward_macs(model, sequence).total() * unit::flop;
}

std::int64_t trained_parameters(const Job& job) {
  return job.recipe.tuning == Tuning::full ? count_parameters(job.model).total
                                           : adapter_parameters(job.model, job.recipe.adapters);
}

Flops training_flops_per_token(const Job& job) {
  Flops flops = model_flops_per_token(job.model, job.recipe.sequence);
  if (job.recipe.tuning != Tuning::full) {
    constexpr std::int64_t alone = 0;  // a token that attends to nothing meets every weight once
    constexpr double flop_per_trained_weight = 6.0;
    flops -= (1.0 / 3.0) * model_flops_per_token(job.model, alone);
    flops += flop_per_trained_weight * real(trained_parameters(job)) * unit::flop;
  }
  if (job.teacher) {
    flops += (1.0 / 3.0) * model_flops_per_token(*job.teacher, job.recipe.sequence);
  }
  return flops;
}

}  // namespace forerun
