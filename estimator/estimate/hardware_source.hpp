// What `--cluster` names: a catalog cluster, a cluster file, or a measured profile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "estimator/profile/price_book.hpp"
#include "estimator/profile/profile.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

struct HardwareSource {
  Cluster cluster;
  std::optional<Profile> profile;  ///< when something was measured
  std::vector<std::string> notes;  ///< what the reader must know about its use here
};

/// A name that ends in .json is a profile; a cluster file with `measured` brings its profile: the
/// kernels and the link levels that it covers. Throws InputError.
[[nodiscard]] HardwareSource read_hardware(const std::string& name);

/// The same hardware for a job of this many devices: a profile extends its outermost level (with a
/// note), a cluster file refuses more than its max_devices.
[[nodiscard]] HardwareSource sized_for(HardwareSource hardware, std::int64_t devices);

[[nodiscard]] PriceList prices_of(const HardwareSource& hardware, Strictness strictness);

}  // namespace forerun
