#include "estimator/profile/nvfp4_prices.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernel_cost.hpp"
#include "kernels/operands.hpp"
#include "units/input_error.hpp"
#include "units/nvfp4.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// What a product moves at least: it is no faster than its memory, whatever it computes. Its key
// counts a byte for each narrow element.
Bytes moved_by(const KernelKey& key) {
  Bytes moved = minimum_traffic(key);
  for (const Operand& operand : operands_of(key)) {
    if (is_fp8(operand.type)) {
      moved -= (1.0 - nvfp4_element_bytes) * static_cast<double>(operand.elements) * unit::byte;
    }
  }
  return moved;
}

// Of a peak's ratio as that of two times: not measured, a guess.
constexpr double ratio_error = 0.3;

}  // namespace

Nvfp4Rate nvfp4_rate(const DeviceSpec& device) {
  const auto fp8 = device.peak.find(DataType::fp8_e4m3);
  if (!device.nvfp4_peak || fp8 == device.peak.end()) {
    throw InputError("--precision",
                     "nvfp4 is not known of " + device.name +
                         ": its cluster states no nvfp4 under [device.peak] (expected bf16, or "
                         "fp8 where it has that)");
  }
  return {*device.nvfp4_peak / fp8->second, device.memory_bandwidth};
}

Price narrow_price(Price wide, const KernelKey& key, const Nvfp4Rate& rate) {
  const Seconds narrow =
      std::max((1.0 / rate.speed_up) * wide.time, moved_by(key) / rate.bandwidth);
  return {
      std::min(wide.time, narrow), Tier::datasheet, std::hypot(wide.relative_error, ratio_error)};
}

PriceList prices_for(const PriceList& prices, Precision precision, const DeviceSpec& device) {
  if (precision != Precision::nvfp4) {
    return prices;
  }
  PriceList narrow = prices;
  narrow.kernel = [wide = prices.kernel, rate = nvfp4_rate(device)](const KernelKey& key) {
    const bool multiplies = key.op == KernelOp::gemm || key.op == KernelOp::grouped_gemm;
    const Price price = wide(key);
    return multiplies && is_fp8(key.type) ? narrow_price(price, key, rate) : price;
  };
  return narrow;
}

}  // namespace forerun
