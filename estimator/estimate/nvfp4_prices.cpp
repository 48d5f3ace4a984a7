#include "estimator/estimate/nvfp4_prices.hpp"

#include <cmath>

#include "units/input_error.hpp"

namespace forerun {
namespace {

// Of a peak's ratio as that of two times: not measured, a guess.
constexpr double ratio_error = 0.3;

double speed_up_of(const DeviceSpec& device) {
  const auto fp8 = device.peak.find(DataType::fp8_e4m3);
  if (!device.nvfp4_peak || fp8 == device.peak.end()) {
    throw InputError("--precision",
                     "nvfp4 is not known of " + device.name +
                         ": its cluster states no nvfp4 under [device.peak] (expected fp8, mxfp8 "
                         "or bf16)");
  }
  return *device.nvfp4_peak / fp8->second;
}

}  // namespace

PriceList prices_for(const PriceList& prices, Precision precision, const DeviceSpec& device) {
  if (precision != Precision::nvfp4) {
    return prices;
  }
  PriceList narrow = prices;
  narrow.kernel = [wide = prices.kernel, speed_up = speed_up_of(device)](const KernelKey& key) {
    Price price = wide(key);
    const bool multiplies = key.op == KernelOp::gemm || key.op == KernelOp::grouped_gemm;
    if (multiplies && is_fp8(key.type)) {
      price.time *= 1.0 / speed_up;
      price.tier = Tier::datasheet;
      price.relative_error = std::hypot(price.relative_error, ratio_error);
    }
    return price;
  };
  return narrow;
}

}  // namespace forerun
