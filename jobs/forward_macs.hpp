// The multiply-adds of one token's forward pass, by what they are spent on.
#pragma once

#include <cstdint>
#include <optional>

#include "jobs/model_shape.hpp"

namespace forerun {

/// Multiply-adds of one token, all layers together, on average over a sequence: no recomputation,
/// routers left out; 2 FLOP each.
struct ForwardMacs {
  double projections = 0.0;  ///< weights of attention: queries, keys, values, output
  double scores = 0.0;       ///< QK^T and PV over the keys that a causal mask and windows leave
  double mixers = 0.0;       ///< Mamba and DeltaNet, scans included
  double ffn = 0.0;          ///< dense FFN, or a token's experts with the shared ones
  double head = 0.0;         ///< output layer

  [[nodiscard]] double attention() const { return projections + scores; }

  [[nodiscard]] double layers() const { return attention() + mixers + ffn; }

  [[nodiscard]] double total() const { return layers() + head; }
};

[[nodiscard]] ForwardMacs forward_macs(const ModelShape& model, std::int64_t sequence);

/// The sequence, to a token, at which causal attention costs as much as the FFN: 4 H for multi-head
/// attention with an FFN of 8 H^2, and half of that without a mask. Windows and chunks put it off.
/// Nothing where no sequence up to a trillion does, or where the projections alone cost more.
[[nodiscard]] std::optional<std::int64_t> attention_crossover(const ModelShape& model);

}  // namespace forerun
