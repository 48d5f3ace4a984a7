// Links, groups and keys that the tests of cost models share.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "comm/collective_key.hpp"
#include "topologies/cluster.hpp"
#include "units/unit.hpp"

namespace forerun {

inline constexpr std::array every_operation{Collective::all_reduce,
                                            Collective::all_gather,
                                            Collective::reduce_scatter,
                                            Collective::broadcast,
                                            Collective::all_to_all,
                                            Collective::send_recv};

[[nodiscard]] inline LinkLevel link(std::int64_t devices,
                                    double gigabytes_per_second,
                                    double latency_us = 0.0) {
  LinkLevel level;
  level.devices = devices;
  level.bandwidth = gigabytes_per_second * unit::gigabyte / unit::second;
  level.latency = latency_us * unit::microsecond;
  return level;
}

/// Nodes of 8 with 400 GB/s links, 50 GB/s per device between them.
[[nodiscard]] inline std::vector<LinkLevel> two_levels() {
  return {link(8, 400.0, 2.0), link(4096, 50.0, 10.0)};
}

[[nodiscard]] inline CollectiveKey key_of(Collective op, std::int64_t bytes, GroupShape group) {
  return {op, bytes, DataType::bf16, group};
}

}  // namespace forerun
