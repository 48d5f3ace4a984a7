// How wrong a served model's times may be.
#pragma once

#include <string>

#include "jobs/model_shape.hpp"

namespace forerun {

/// The class that sets the width: "dense" or "experts".
[[nodiscard]] std::string serving_class_of(const ModelShape& model);

/// Half-width at 90 % of times and rates, as a factor of 1 + half-width to either side: the error
/// of the prices and, in quadrature, what published serving rates need beside it
/// (serving_terms.toml; no constant of the model is fitted to them). Experts, of which no published
/// row states a batch, have the widest of other classes.
[[nodiscard]] double serving_half_width(const ModelShape& model, double price_error);

}  // namespace forerun
