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
  bool is_extended = false;        ///< its outermost level joins more devices than were measured
};

/// A name that ends in .json is a profile; a cluster file with `measured` brings its profile: the
/// kernels and the link levels that it covers. Levels inside the profile's nodes stand for the
/// file's inside its nodes, levels between nodes for those between nodes; one that would be the
/// other kind in the file's nodes is left out, with a note. Throws InputError.
[[nodiscard]] HardwareSource read_hardware(const std::string& name);

/// The same hardware for a job of this many devices: a profile extends its outermost level (with a
/// note), a cluster file refuses more than its max_devices.
[[nodiscard]] HardwareSource sized_for(HardwareSource hardware, std::int64_t devices);

/// A profile's prices; kernels of a cluster file whose profile has none (an imported log, or one of
/// --comm-only) are the file's device's, unless `strictness` refuses those.
[[nodiscard]] PriceList prices_of(const HardwareSource& hardware, Strictness strictness);

/// For passes to which nobody adds what ranks wait for one another: kernels at the slowest rank's
/// times.
[[nodiscard]] PriceList prices_of_slowest(HardwareSource hardware, Strictness strictness);

}  // namespace forerun
