// Prices that are asked for again and again, kept.
#pragma once

#include "estimator/step/price.hpp"

namespace forerun {

/// A list that asks `prices` once for every key. Not for several threads at once.
[[nodiscard]] PriceList remembering(PriceList prices);

}  // namespace forerun
