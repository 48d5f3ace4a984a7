// Prices of products that read 4-bit operands, in training and in serving.
#pragma once

#include "estimator/step/price.hpp"
#include "jobs/recipe.hpp"
#include "topologies/device.hpp"

namespace forerun {

/// How much higher a device's peak is for products of 4-bit operands than for those of fp8, and
/// what its memory moves.
struct Nvfp4Rate {
  double speed_up = 1.0;
  BytesPerSecond bandwidth;
};

/// Throws InputError where the device states no peak for them.
[[nodiscard]] Nvfp4Rate nvfp4_rate(const DeviceSpec& device);

/// NVFP4's products take what those of fp8 take (`wide`, of the fp8 key), shortened by how much
/// higher the device's peak is for them, but never below what moving their operands takes: no
/// public table times them, so the tier is datasheet.
[[nodiscard]] Price narrow_price(Price wide, const KernelKey& key, const Nvfp4Rate& rate);

/// The prices of a job of this precision: `prices`, but narrow ones for the products of NVFP4.
/// Throws InputError where the device states no such peak.
[[nodiscard]] PriceList prices_for(const PriceList& prices,
                                   Precision precision,
                                   const DeviceSpec& device);

}  // namespace forerun
