// Times between measured sizes that lie far apart, from the shape that the curve ought to have.
#pragma once

#include "estimator/profile/curve_transfer.hpp"

namespace forerun {

/// Logarithm of seconds at a size of a curve. Three shapes are laid through the nearest measured
/// points, what they leave unsaid being interpolated: the curve's own law; the law and what similar
/// curves of the machine leave unsaid at the same sizes; the curve that the others make
/// (`transferred`). Their mean is taken, each weighted by how well it foretells the nearest points
/// when they are left out in turn.
[[nodiscard]] double filled_gap(const CurveId& id,
                                const SizeCurve& curve,
                                double log_bytes,
                                const CurveMap& curves);

}  // namespace forerun
