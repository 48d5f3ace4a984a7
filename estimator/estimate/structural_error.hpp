// How wrong the step model itself is, apart from its prices. Sets widths of bands, never centres.
#pragma once

namespace forerun {

/// Half-width at 90 % for dense decoders: the p90 of |error| that an untuned model of the same
/// parts shows on 73 published multi-node A100 runs (16.2 %, design notes on accuracy, section 1).
inline constexpr double dense_structural_error = 0.162;

}  // namespace forerun
