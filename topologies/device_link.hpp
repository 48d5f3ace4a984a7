// How two devices of one node reach each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace forerun {

/// GPUs by PCI id ("0000:18:00.0"), network devices by name ("mlx5_0").
struct DeviceLink {
  std::string first;
  std::string second;
  /// What joins them on PCIe: "same board", "pcie switch", "pcie switches", "host bridge", "numa
  /// domain" or "system"; empty where it is not known.
  std::string path;
  std::int64_t nvlinks = 0;                  ///< between them, straight or through NVSwitches
  std::optional<bool> peer_access = {};      ///< of CUDA
  std::optional<int> performance_rank = {};  ///< of CUDA's peer-to-peer attributes; 0 is best
};

}  // namespace forerun
