// The kernels and collectives of one forward pass of a served model, on one rank.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "comm/collective_key.hpp"
#include "estimator/capacity/serving_format.hpp"
#include "estimator/capacity/serving_layout.hpp"
#include "estimator/capacity/serving_software.hpp"
#include "estimator/capacity/speculation.hpp"
#include "estimator/profile/nvfp4_prices.hpp"
#include "jobs/model_shape.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun {

/// What an operation's time is for.
enum class ServingPart {
  weights,      ///< products with the weights of attention, dense FFN and mixers
  experts,      ///< router, sorting, products with the experts' weights
  cache,        ///< attention over the cache, states of Mamba and DeltaNet
  prefill,      ///< attention within prompts
  elementwise,  ///< norms, rope, activations, residuals
  head,         ///< embedding, output product, sampling
  exchange,     ///< collectives between ranks and stages
  draft,        ///< all of the draft model, where there is one
  host,         ///< what the device waits for launches
};
inline constexpr int serving_parts = 9;
[[nodiscard]] std::string_view name_of(ServingPart part);

/// A product with weights in the served format; the key says the shape, in `product_type`.
struct WeightProduct {
  KernelKey key;
};

/// One query a sequence against its cache: `key` moves the cache's bytes; `flop` is what its
/// products compute, which for latent attention is more than the key's own.
struct CacheRead {
  KernelKey key;
  Flops flop;
};

struct ServingOp {
  ServingPart part = ServingPart::weights;
  std::variant<KernelKey, WeightProduct, CacheRead, CollectiveKey> work;
  double count = 1.0;  ///< how many times in one pass; fractions where prompts come less than once
};

/// What one attention group works on in one pass.
struct PassShape {
  std::int64_t decodes = 0;        ///< sequences that decode
  double context = 0.0;            ///< keys that each of them sees where nothing limits them, mean
  double prompts = 0.0;            ///< prompts prefilled, or a fraction of one (a chunk)
  std::int64_t prompt_length = 0;  ///< tokens
  std::int64_t queries = 1;  ///< tokens of each decoding sequence: more where drafts are checked
};

/// Tokens of prompts, rounded up.
[[nodiscard]] std::int64_t prompt_tokens(const PassShape& pass);
/// Rows of every product of the pass.
[[nodiscard]] std::int64_t rows_of(const PassShape& pass);

struct ServedModel {
  ModelShape model;
  ServingFormat format;
  ServingLayout layout;
  std::int64_t devices_per_node = 1;
  std::optional<Speculation> speculation = std::nullopt;
  std::optional<Nvfp4Rate> nvfp4 = std::nullopt;  ///< there where weights are nvfp4
  ServingSoftware software = {};
};

/// The draft model as the same ranks serve it: over one stage's tensor group, or where it cannot be
/// split so on every rank. There must be one.
[[nodiscard]] ServedModel served_draft(const ServedModel& served);

/// One layer. Fused as serving engines do: biases with their products, cache writes with rope.
[[nodiscard]] std::vector<ServingOp> layer_ops(const ServedModel& served,
                                               const PassShape& pass,
                                               std::int64_t layer);

/// Embedding, final norm, output product of the last token of each sequence, and sampling.
[[nodiscard]] std::vector<ServingOp> edge_ops(const ServedModel& served, const PassShape& pass);

/// What one stage sends to the next.
[[nodiscard]] CollectiveKey stage_boundary(const ServedModel& served, const PassShape& pass);

/// E (1 - (1 - k/E)^tokens): experts that get at least one of `tokens` independent tokens under
/// uniform routing (modelling.md 8.2).
[[nodiscard]] double touched_experts(std::int64_t experts, std::int64_t top_k, double tokens);

/// Keys that a query sees at `context` in this layer: the window at most; half of a chunk where
/// the window is one.
[[nodiscard]] double visible_context(const ModelShape& model, std::int64_t layer, double context);

}  // namespace forerun
