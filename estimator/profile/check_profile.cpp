#include "estimator/profile/check_profile.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Ten times the largest machines of today.
constexpr std::int64_t most_ranks = 10'000'000;

void require(bool holds, const std::string& problem) {
  if (!holds) {
    throw InputError("profile", problem);
  }
}

void check_levels(const Profile& profile) {
  for (const LinkLevel& level : profile.levels) {
    require(level.devices >= 1 && level.bandwidth > BytesPerSecond() && level.latency >= Seconds(),
            fmt::format("the link level '{}' has no devices, no bandwidth or a negative latency",
                        level.name));
  }
}

// Ranks of pairs and groups index the hosts.
void check_topology(const MeasuredTopology& topology, const Profile& profile) {
  const auto is_rank = [&](std::int64_t rank) { return rank >= 0 && rank < profile.ranks; };
  require(std::ssize(profile.hosts) == profile.ranks,
          fmt::format("the measured topology names {} hosts for {} ranks (expected one a rank)",
                      profile.hosts.size(),
                      profile.ranks));
  bool all_known = std::ranges::all_of(topology.pairs, [&](const PairDistance& pair) {
    return is_rank(pair.first) && is_rank(pair.second);
  });
  for (const MeasuredLevel& level : topology.levels) {
    all_known = all_known && level.devices >= 1;
    for (const auto& group : level.groups) {
      all_known = all_known && !group.empty() && std::ranges::all_of(group, is_rank);
    }
  }
  for (const SlowLink& link : topology.slow_links) {
    all_known = all_known && is_rank(link.first) && is_rank(link.second);
  }
  for (const Straggler& straggler : topology.stragglers) {
    all_known = all_known && is_rank(straggler.rank);
  }
  require(all_known,
          fmt::format("the measured topology names ranks beyond the {} of the profile, or an "
                      "empty group",
                      profile.ranks));
}

}  // namespace

void check_collective(const CollectiveKey& key) {
  constexpr std::int64_t most_bytes = std::int64_t{1} << 53U;
  const auto is_count = [](std::int64_t count) { return count >= 1 && count <= most_ranks; };
  require(key.bytes >= 1 && key.bytes <= most_bytes && is_count(key.group.ranks) &&
              is_count(key.group.ranks_per_node) && is_count(key.group.concurrent),
          "'" + text_of(key) + "' is no collective of a machine");
}

void check_profile(const Profile& profile) {
  require(profile.ranks >= 1 && profile.ranks_per_node >= 1, "has fewer than one rank");
  require(profile.ranks <= most_ranks && profile.ranks_per_node <= most_ranks,
          fmt::format("has more than {} ranks", most_ranks));
  require(profile.device.cores >= 0 && profile.device.memory >= Bytes() &&
              profile.node.memory >= Bytes(),
          "a device or node has a negative size");
  require(!profile.sustained_factor || *profile.sustained_factor > 0.0,
          "'sustained_factor' is not above 0");
  check_levels(profile);
  if (profile.topology) {
    check_topology(*profile.topology, profile);
  }
}

}  // namespace forerun
