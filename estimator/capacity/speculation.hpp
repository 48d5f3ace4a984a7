// Speculative decoding: a cheap draft proposes tokens, the served model checks them in one pass.
#pragma once

#include <cstdint>
#include <optional>

#include "jobs/model_shape.hpp"

namespace forerun {

struct Speculation {
  std::optional<ModelShape> draft;  ///< absent: tokens are copied from the text so far (n-grams)
  std::int64_t tokens = 4;          ///< proposed in a round
  double acceptance = 0.8;          ///< chance that the next proposed token is kept, in [0, 1)
};

/// Tokens that a round yields on average: those kept before the first that is not, and the one that
/// the checking pass itself draws: (1 - a^(K+1)) / (1 - a) (Leviathan et al. 2023, arXiv
/// 2211.17192, equation 1; modelling.md 8).
[[nodiscard]] double tokens_of_a_round(const Speculation& speculation);

}  // namespace forerun
