// The memory that a node has beside its devices, and the links by which they reach it.
#pragma once

#include <cstdint>
#include <string>

#include "units/quantity.hpp"

namespace forerun {

struct HostMemory {
  std::string link;           ///< "PCIe 5.0 x16"
  BytesPerSecond link_peak;   ///< one direction
  BytesPerSecond link_rate;   ///< one direction, that copies from and to pinned memory reach
  std::int64_t sharing = 1;   ///< devices behind one such link
  Bytes size;                 ///< of a node
  BytesPerSecond bandwidth;   ///< of a node's memory: channels times rate
  double efficiency = 1.0;    ///< of `bandwidth`, that streams of the host's cores reach
  double relative_error = 0;  ///< of the rates: how far sources are apart
  std::string source;
};

/// What one device has of it while all others of the node move as much; both directions of the link
/// at once.
struct HostLink {
  BytesPerSecond rate;    ///< one direction
  BytesPerSecond stream;  ///< of the host's cores over its memory
  double relative_error = 0.0;
};

[[nodiscard]] inline HostLink host_link_of(const HostMemory& host, std::int64_t devices_per_node) {
  return {host.link_rate / static_cast<double>(host.sharing),
          host.efficiency * host.bandwidth / static_cast<double>(devices_per_node),
          host.relative_error};
}

}  // namespace forerun
