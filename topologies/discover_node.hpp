// What this node is made of, asked of the operating system through hwloc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
};

[[nodiscard]] NodeDescription discover_node();

}  // namespace forerun
