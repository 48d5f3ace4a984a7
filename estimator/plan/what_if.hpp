// The same machine with faster or slower parts.
#pragma once

#include <string>
#include <string_view>

#include "estimator/estimate/hardware_source.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// Factors on what a cluster file says; 1: as it is.
struct WhatIf {
  double net = 1.0;     ///< bandwidth of every level of links that leaves a node
  double nvlink = 1.0;  ///< bandwidth of the links inside a node
  double hbm = 1.0;     ///< memory bandwidth
  double flops = 1.0;   ///< peaks of all number formats
  double memory = 1.0;  ///< capacity
  double host = 1.0;    ///< rate of the link between a device and its host

  friend bool operator==(const WhatIf&, const WhatIf&) = default;
};

/// "net=0.5,hbm=1.2,flops=2"; throws InputError(where, ...).
[[nodiscard]] WhatIf what_if_from(std::string_view text, std::string_view where = "--what-if");

/// The same of a hardware source, with a note. Throws InputError where kernels or links were
/// measured: a measurement holds for the machine that it was made on.
void change_hardware(HardwareSource& hardware, const WhatIf& what_if);

/// Latencies, launches and efficiencies stay.
[[nodiscard]] Cluster changed(Cluster cluster, const WhatIf& what_if);

}  // namespace forerun
