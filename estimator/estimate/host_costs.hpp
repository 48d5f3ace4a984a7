// What the host of an eager framework takes to launch one kernel: the one number that comes from
// step times, since nothing else tells it.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "estimator/step/chunk_cost.hpp"
#include "jobs/software.hpp"

namespace forerun {

/// By software preset.
using HostCosts = std::map<std::string, HostCost, std::less<>>;

/// host_costs.toml, compiled in; everything in it is calibrated on published steps, and labelled
/// so wherever it shows. `forerun validate --table FILE --host-out FILE` calibrates it anew.
[[nodiscard]] const HostCosts& calibrated_host_costs();

/// The preset's cost, or that of the preset that it launches like; none for one that is not eager
/// or that `costs` lacks. A host that waits for kernels takes 10 us where nothing is known (within
/// PyTorch's published 5 to 20 us an operation).
[[nodiscard]] HostCost host_cost_of(const Software& software, const HostCosts& costs);

}  // namespace forerun
