#include "topologies/link_levels.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "topologies/median.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// How much slower a level is to its worst straggler than between two sound ranks; 1 without.
struct Slowness {
  double latency = 1.0;
  double bandwidth = 1.0;
  std::optional<std::int64_t> rank = {};  // whose latency times time per byte is the worst
};

double median_or_one(std::vector<double> logs, const std::vector<double>& sound) {
  return logs.empty() || sound.empty() ? 1.0
                                       : std::exp(median_of(std::move(logs)) - median_of(sound));
}

Slowness slowness_of(const MeasuredTopology& topology, std::size_t level) {
  std::map<std::optional<std::int64_t>, std::pair<std::vector<double>, std::vector<double>>> logs;
  for (const PairDistance& pair : topology.pairs) {
    if (level_between(topology, pair.first, pair.second) != level) {
      continue;
    }
    const auto is_of = [&](const Straggler& straggler) {
      return straggler.rank == pair.first || straggler.rank == pair.second;
    };
    const auto slow = std::ranges::find_if(topology.stragglers, is_of);
    auto& [latencies, bandwidths] =
        logs[slow == topology.stragglers.end() ? std::nullopt : std::optional(slow->rank)];
    latencies.push_back(std::log(pair.latency.in(unit::second)));
    bandwidths.push_back(-std::log(pair.bandwidth / (unit::byte / unit::second)));
  }
  const auto& [sound_latencies, sound_bandwidths] = logs[std::nullopt];
  Slowness worst;
  for (const auto& [rank, of_rank] : logs) {
    const double latency = median_or_one(of_rank.first, sound_latencies);
    const double bandwidth = median_or_one(of_rank.second, sound_bandwidths);
    if (latency * bandwidth > std::max(worst.latency * worst.bandwidth, least_factor)) {
      worst.rank = rank;
    }
    worst.latency = std::max(worst.latency, latency);
    worst.bandwidth = std::max(worst.bandwidth, bandwidth);
  }
  return worst;
}

}  // namespace

std::vector<LinkLevel> link_levels(const MeasuredTopology& topology, std::int64_t ranks_per_node) {
  std::vector<LinkLevel> levels;
  for (std::size_t i = 0; i < topology.levels.size(); ++i) {
    const MeasuredLevel& measured = topology.levels[i];
    if (measured.devices <= ranks_per_node) {
      levels.clear();
    }
    const Slowness slowness = slowness_of(topology, i);
    LinkLevel level;
    level.name = measured.name;
    level.devices = measured.devices;
    level.latency = measured.latency_alone.value_or(measured.latency) * slowness.latency;
    level.bandwidth = measured.bandwidth / slowness.bandwidth;
    level.source = fmt::format("measured between {} pairs of ranks", measured.pairs);
    if (slowness.rank) {
      level.source += fmt::format(", as slow as rank {} is", *slowness.rank);
    }
    levels.push_back(level);
  }
  return levels;
}

}  // namespace forerun
