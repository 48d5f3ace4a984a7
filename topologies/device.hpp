// One accelerator or one CPU's worth of cores: peaks and capacities from its datasheet.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "units/data_type.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What a kernel reaches of a device's peak, where nothing was measured on it: the 3-parameter
/// roofline launch + ((F / (gemm * peak))^4 + (bytes / (memory * bandwidth))^4)^(1/4) of
/// modelling.md 10.5, fitted to public kernel timings that `source` names.
struct ClassEfficiency {
  double gemm_fraction = 0.0;  ///< of peak, large GEMM
  double attention_forward_fraction = 0.0;
  double attention_backward_fraction = 0.0;
  double memory_fraction = 0.0;  ///< of memory bandwidth, element-wise kernels
  Seconds launch;                ///< fixed cost of one kernel
  std::string source;
};

struct DeviceSpec {
  std::string name;
  std::map<DataType, FlopsPerSecond> peak;   ///< dense matrix peak by operand type
  std::optional<FlopsPerSecond> nvfp4_peak;  ///< of 4-bit operands, dense
  Bytes memory;
  BytesPerSecond memory_bandwidth;
  std::optional<Watts> power;         ///< TDP
  std::optional<std::int64_t> cores;  ///< per device, for CPUs
  std::optional<ClassEfficiency> efficiency;
  std::optional<std::string> profile;  ///< of catalog/devices/: what kernels reach on it
  std::string source;

  /// One that states cores is a CPU's.
  [[nodiscard]] bool is_gpu() const { return !cores.has_value(); }
};

}  // namespace forerun
