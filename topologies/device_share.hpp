// What one device gets of links that several pairs load at once.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "topologies/pair_distance.hpp"

namespace forerun {

/// Of pairs that moved equally many bytes at the same time: for each two hosts (or one, of pairs
/// inside it) the rate of the slowest pair. They share the links of their hosts and take turns at
/// them, not always fairly; n pairs together moved n times what the slowest did in its time, so
/// that is what fair turns give each, while the mean of their rates is more. `hosts` names the host
/// of each rank. Throws std::out_of_range for a rank without a host.
[[nodiscard]] std::vector<BytesPerSecond> device_shares(std::span<const PairDistance> pairs,
                                                        std::span<const std::string> hosts);

}  // namespace forerun
