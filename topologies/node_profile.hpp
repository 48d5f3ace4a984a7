// What collectives reach inside a kind of node, and the fabrics that join such nodes, fitted to
// published timings: a file of catalog/nodes/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "units/quantity.hpp"

namespace forerun {

/// One collective over one number of ranks of a node:
/// latency + root sqrt(bytes / MiB) + wire bytes / bandwidth. Bytes are those of the full tensor,
/// wire bytes what a rank sends of them on a ring (comm's CollectiveKey counts both so).
struct CollectiveCurve {
  std::string op;  ///< "all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv"
  std::int64_t ranks = 0;
  Seconds latency;
  Seconds root;              ///< what a message of 1 MiB takes on top, growing with its root
  BytesPerSecond bandwidth;  ///< of the bus, large messages
  double error = 0.0;        ///< mean relative error of a size left out of the fit
  std::string source;
};

/// What large collectives reach over a kind of network, of its bandwidth per device.
struct FabricReach {
  std::string name;  ///< "infiniband-hdr", "infiniband-ndr", "efa-v4", "ethernet-100-tcp"
  BytesPerSecond bandwidth;
  double efficiency = 0.0;
  std::string source;
};

/// What an all-reduce takes at least when every rank's host launches it by itself, so that ranks
/// wait for one another; nccl-tests and replayed CUDA graphs know no such wait.
struct LaunchedCollective {
  std::int64_t ranks = 0;
  Seconds latency;
  std::string source;
};

struct NodeProfile {
  std::string name;
  std::string date;                          ///< of the fit
  std::vector<CollectiveCurve> collectives;  ///< one for each op and number of ranks
  std::vector<LaunchedCollective> launched;  ///< by rising ranks; empty: nothing is known
  std::vector<FabricReach> fabrics;
};

/// The profile of that name in the catalog. Collectives and numbers of ranks that the file lacks
/// come from the one that it names as `like`, with `like_error` added to their error in quadrature.
/// Throws InputError naming the nearest known one.
[[nodiscard]] NodeProfile read_node_profile(std::string_view name);

/// One file's own sections, `like` not followed; `where` is the file's name in messages.
[[nodiscard]] NodeProfile read_node_profile_text(std::string_view text, const std::string& where);

[[nodiscard]] std::vector<std::string> catalog_node_profiles();

}  // namespace forerun
