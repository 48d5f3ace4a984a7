// Prices of a machine that is all arithmetic: so many bytes and FLOP a second, so long a message.
#pragma once

#include <algorithm>

#include "estimator/step/price.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {

struct MadeMachine {
  BytesPerSecond memory = 1000.0 * unit::gigabyte / unit::second;
  FlopsPerSecond compute = 100.0 * unit::teraflop / unit::second;
  Seconds message = 10.0 * unit::microsecond;
};

inline PriceList made_prices(const MadeMachine& machine) {
  PriceList prices;
  prices.kernel = [machine](const KernelKey& key) {
    const Seconds moved = minimum_traffic(key) / machine.memory;
    const Seconds computed = hardware_flops(key) / machine.compute;
    return Price{std::max(moved, computed), Tier::measured, 0.0};
  };
  prices.collective = [machine](const CollectiveKey& key) {
    return Price{key.group.ranks > 1 ? machine.message : Seconds(), Tier::measured, 0.0};
  };
  return prices;
}

}  // namespace forerun
