// What this node is made of, asked of the operating system through hwloc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topologies/device_link.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct NodeDescription {
  std::string host;
  std::string cpu_model;
  std::int64_t sockets = 0;
  std::int64_t numa_domains = 0;
  std::int64_t cores = 0;        ///< physical cores of the node
  std::int64_t bound_cores = 0;  ///< cores that this process may run on
  Bytes memory;
  Bytes last_level_cache;
  std::vector<std::string> isa;   ///< "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"
  std::vector<std::string> gpus;  ///< PCI ids and names of GPUs that hwloc sees
  std::vector<std::string> nics;  ///< names of network devices that hwloc sees
  std::vector<DeviceLink> links;  ///< between GPUs, and from GPUs to network devices
};

[[nodiscard]] NodeDescription discover_node();

/// Links from two sources: what `known` says of a pair stands, as far as it says anything, where
/// `found` has it too; pairs of either are kept.
[[nodiscard]] std::vector<DeviceLink> joined_links(std::vector<DeviceLink> found,
                                                   const std::vector<DeviceLink>& known);

}  // namespace forerun
