// The estimate of the one job that options describe.
#pragma once

#include "estimator/cli/options.hpp"
#include "estimator/estimate/estimate.hpp"

namespace forerun {

/// Throws InputError without --cluster.
[[nodiscard]] HardwareSource hardware_from(const Options& options);

/// What --price says, over the cluster's own; else nothing.
void set_price(HardwareSource& hardware, const Options& options);

[[nodiscard]] DeviceKind device_kind_of(const HardwareSource& hardware);

/// Whether the job's host waits for every kernel (--launch-blocking). Throws InputError where the
/// host is the device.
[[nodiscard]] bool waits_for_kernels(const Options& options, const HardwareSource& hardware);

/// Software, overlap and host cost by the options, else by the hardware.
[[nodiscard]] JobEstimate estimate_from(const Options& options,
                                        const HardwareSource& hardware,
                                        Job job);

/// The same with the job, its devices and the hardware, changed by --what-if, from the options too.
[[nodiscard]] JobEstimate estimate_from(const Options& options);

}  // namespace forerun
