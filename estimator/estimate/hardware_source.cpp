#include "estimator/estimate/hardware_source.hpp"

#include <filesystem>

#include "estimator/profile/profile_json.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

// A path in a cluster file counts from that file's folder.
std::string beside(const std::string& file, const std::string& path) {
  return std::filesystem::path(path).is_absolute()
             ? path
             : (std::filesystem::path(file).parent_path() / path).string();
}

// Measured levels replace the file's innermost ones; the outer ones stay.
void merge_profile(HardwareSource& hardware, Profile profile) {
  Cluster& cluster = hardware.cluster;
  std::vector<LinkLevel> levels = profile.levels;
  for (const LinkLevel& level : cluster.levels) {
    if (levels.empty() || level.devices > levels.back().devices) {
      levels.push_back(level);
    }
  }
  profile.levels = levels;
  profile.level_errors.resize(levels.size(), 0.0);
  cluster.levels = std::move(levels);
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
    merge_profile(hardware, read_profile(beside(name, *hardware.cluster.measured)));
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
  for (auto* levels : {&cluster.levels, &hardware.profile->levels}) {
    if (!levels->empty()) {
      levels->back().devices = devices;
    }
  }
  return hardware;
}

PriceList prices_of(const HardwareSource& hardware, Strictness strictness) {
  return hardware.profile ? prices_from(*hardware.profile, strictness)
                          : prices_from(hardware.cluster, strictness);
}

}  // namespace forerun
