#include "estimator/estimate/hardware_source.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "estimator/profile/profile_json.hpp"
#include "topologies/link_levels.hpp"
#include "topologies/measured_topology.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

// What was measured: the profile's levels and, where an earlier version fitted them to collectives
// that do not cross all of its links, those found between pairs of ranks.
std::vector<LinkLevel> measured_levels(const Profile& profile) {
  std::vector<LinkLevel> levels = profile.levels;
  if (profile.topology) {
    for (const LinkLevel& level : link_levels(*profile.topology, profile.ranks_per_node)) {
      if (std::ranges::find(levels, level.devices, &LinkLevel::devices) == levels.end()) {
        levels.push_back(level);
      }
    }
    std::ranges::sort(levels, {}, &LinkLevel::devices);
  }
  return levels;
}

std::string names_of(const std::vector<LinkLevel>& levels) {
  std::string names;
  for (const LinkLevel& level : levels) {
    names += (names.empty() ? "'" : ", '") + level.name + "' of " + std::to_string(level.devices);
  }
  return names.empty() ? "none" : names;
}

struct JoinedLevels {
  std::vector<LinkLevel> all;
  std::vector<LinkLevel> from_profile;
  std::vector<LinkLevel> from_file;
  std::vector<LinkLevel> unused;  ///< measured, but the file has nothing of that kind and size
};

// Those inside nodes of so many devices, or those between them.
std::vector<LinkLevel> one_side(const std::vector<LinkLevel>& levels,
                                std::int64_t node,
                                bool is_inside) {
  std::vector<LinkLevel> side;
  std::ranges::copy_if(levels, std::back_inserter(side), [&](const LinkLevel& level) {
    return (level.devices <= node) == is_inside;
  });
  return side;
}

// Inside the nodes and between them apart, for a level of so many devices is not the same link in
// nodes of other sizes. A file's level that joins more devices than were measured stays as the file
// says.
JoinedLevels joined_levels(const Profile& profile, const Cluster& cluster) {
  JoinedLevels joined;
  const std::int64_t node = cluster.devices_per_node;
  for (const bool is_inside : {true, false}) {
    std::int64_t reach = 0;
    for (const LinkLevel& level :
         one_side(measured_levels(profile), profile.ranks_per_node, is_inside)) {
      const bool fits =
          (level.devices <= node) == is_inside && level.devices <= cluster.max_devices;
      (fits ? joined.from_profile : joined.unused).push_back(level);
      if (fits) {
        reach = level.devices;
        joined.all.push_back(level);
      }
    }
    for (const LinkLevel& level : one_side(cluster.levels, node, is_inside)) {
      if (level.devices > reach) {
        joined.from_file.push_back(level);
        joined.all.push_back(level);
      }
    }
  }
  return joined;
}

// Of each level, as the profile has it; 0 for the others.
std::vector<double> errors_of(const std::vector<LinkLevel>& levels, const Profile& profile) {
  std::vector<double> errors;
  for (const LinkLevel& level : levels) {
    const auto found = std::ranges::find_if(profile.levels, [&](const LinkLevel& known) {
      return known.devices == level.devices && known.name == level.name;
    });
    const auto place = static_cast<std::size_t>(found - profile.levels.begin());
    errors.push_back(place < profile.level_errors.size() ? profile.level_errors[place] : 0.0);
  }
  return errors;
}

// A GPU's kernels are no CPU's. Names are spelled too differently to be compared.
void refuse_other_kind(const Profile& profile, const Cluster& cluster) {
  const bool is_gpu = profile.device.kind == "cuda";
  if (!profile.kernels.empty() && is_gpu != cluster.device.is_gpu()) {
    throw InputError(profile.path,
                     "was measured on the " + std::string(is_gpu ? "GPU '" : "CPU '") +
                         profile.device.name + "', but the device of " + cluster.name + " is the " +
                         (is_gpu ? "CPU '" : "GPU '") + cluster.device.name +
                         "' (expected in 'measured' a profile of that device)");
  }
}

// Kernels and the levels that the profile covers are the profile's, outer levels the file's.
void merge_profile(HardwareSource& hardware, Profile profile) {
  Cluster& cluster = hardware.cluster;
  refuse_other_kind(profile, cluster);
  if (profile.ranks > profile.ranks_per_node &&
      profile.ranks_per_node != cluster.devices_per_node) {
    hardware.notes.push_back(profile.path + " was measured with " +
                             std::to_string(profile.ranks_per_node) + " ranks a node, but " +
                             cluster.name + " has " + std::to_string(cluster.devices_per_node) +
                             " devices a node");
  }
  JoinedLevels joined = joined_levels(profile, cluster);
  const bool has_kernels = !profile.kernels.empty();
  std::string note = (has_kernels ? "kernels and links measured in " : "links measured in ") +
                     profile.path + " on '" + profile.device.name + "' (" +
                     names_of(joined.from_profile) + "); " +
                     (has_kernels ? "links of " : "kernels and links of ") + cluster.name +
                     " as its file says: " + names_of(joined.from_file);
  if (!joined.unused.empty()) {
    note += "; not used, for they join other devices there than here: " + names_of(joined.unused);
  }
  hardware.notes.push_back(std::move(note));
  profile.level_errors = errors_of(joined.all, profile);
  profile.levels = joined.all;
  cluster.levels = std::move(joined.all);
  hardware.profile = std::move(profile);
}

}  // namespace

HardwareSource read_hardware(const std::string& name) {
  HardwareSource hardware;
  if (name.ends_with(".json")) {
    hardware.profile = read_profile(name);
    hardware.cluster = cluster_of(*hardware.profile);
    return hardware;
  }
  hardware.cluster = read_cluster(name);
  if (hardware.cluster.measured) {
    merge_profile(hardware, read_profile(*hardware.cluster.measured));
  }
  return hardware;
}

HardwareSource sized_for(HardwareSource hardware, std::int64_t devices) {
  Cluster& cluster = hardware.cluster;
  if (devices <= cluster.max_devices) {
    return hardware;
  }
  const bool is_profile_alone = hardware.profile && !cluster.measured;
  if (!is_profile_alone) {
    throw InputError("--devices",
                     std::to_string(devices) + " is more than the " +
                         std::to_string(cluster.max_devices) + " that " + cluster.name +
                         " names as max_devices");
  }
  hardware.notes.push_back(cluster.name + " was measured on " +
                           std::to_string(cluster.max_devices) +
                           " devices; its outermost link "
                           "level is extended to " +
                           std::to_string(devices) +
                           ", so communication may be anything between none and twice what is "
                           "given: the band is widened by it");
  hardware.is_extended = true;
  for (auto* levels : {&cluster.levels, &hardware.profile->levels}) {
    if (!levels->empty()) {
      levels->back().devices = devices;
    }
  }
  return hardware;
}

PriceList prices_of(const HardwareSource& hardware, Strictness strictness) {
  if (!hardware.profile) {
    return prices_from(hardware.cluster, strictness);
  }
  PriceList prices = prices_from(*hardware.profile, strictness);
  const bool has_only_links = hardware.cluster.measured && hardware.profile->kernels.empty();
  if (has_only_links && strictness == Strictness::any_tier) {
    const PriceList device = prices_from(hardware.cluster, strictness);
    prices.kernel = device.kernel;
    prices.attention = device.attention;
  }
  return prices;
}

PriceList prices_of_slowest(HardwareSource hardware, Strictness strictness) {
  if (hardware.profile) {
    hardware.profile->noise.clear();
  }
  return prices_of(hardware, strictness);
}

}  // namespace forerun
