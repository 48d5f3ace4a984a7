// Prices of training whose products read 4-bit operands.
#pragma once

#include "estimator/step/price.hpp"
#include "jobs/recipe.hpp"
#include "topologies/device.hpp"

namespace forerun {

/// The prices of a job of this precision. NVFP4's products take what those of fp8 take, shortened
/// by how much higher the device's peak is for them, but never below what moving their operands
/// takes: no public table times them, so the tier is datasheet. Throws InputError where the device
/// states no such peak.
[[nodiscard]] PriceList prices_for(const PriceList& prices,
                                   Precision precision,
                                   const DeviceSpec& device);

}  // namespace forerun
