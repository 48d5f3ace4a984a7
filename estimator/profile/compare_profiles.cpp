#include "estimator/profile/compare_profiles.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "estimator/profile/price_book.hpp"
#include "topologies/level_rates.hpp"
#include "units/input_error.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// A time with the interval that it lies in.
struct Interval {
  double low = 0.0;
  double middle = 0.0;
  double high = 0.0;
};

Interval interval_of(const Timing& timing) {
  return {
      timing.low.in(unit::second), timing.median.in(unit::second), timing.high.in(unit::second)};
}

Interval around(double seconds, double relative) {
  return {seconds / (1.0 + relative), seconds, seconds * (1.0 + relative)};
}

double seconds_per_byte(BytesPerSecond rate) {
  return 1.0 / rate.in(unit::byte / unit::second);
}

using Times = std::map<std::string, Interval>;

// "link 0-2 (node1, node2) ": ranks that lie on other hosts the next time are other links.
std::string link_name(const PairDistance& pair, const std::vector<std::string>& hosts) {
  const auto first = static_cast<std::size_t>(pair.first);
  const auto second = static_cast<std::size_t>(pair.second);
  std::string ranks = fmt::format("link {}-{} ", pair.first, pair.second);
  if (std::max(first, second) >= hosts.size()) {
    return ranks;
  }
  return hosts[first] == hosts[second]
             ? fmt::format("{}({}) ", ranks, hosts[first])
             : fmt::format("{}({}, {}) ", ranks, hosts[first], hosts[second]);
}

void add_pairs(const MeasuredTopology& topology,
               const std::vector<std::string>& hosts,
               Times& times) {
  for (const PairDistance& pair : topology.pairs) {
    const std::string name = link_name(pair, hosts);
    times[name + "latency"] = around(pair.latency.in(unit::second), pair.latency_error);
    times[name + "bandwidth"] = around(seconds_per_byte(pair.bandwidth), pair.bandwidth_error);
  }
}

void add_levels(const MeasuredTopology& topology, Times& times) {
  for (const MeasuredLevel& level : topology.levels) {
    const std::string name = fmt::format("level '{}' ", level.name);
    const double root = std::sqrt(static_cast<double>(std::max<std::int64_t>(level.pairs, 1)));
    times[name + "latency"] =
        around(level.latency.in(unit::second), 2.0 * level.latency_spread / root);
    times[name + "bandwidth"] =
        around(seconds_per_byte(level.bandwidth), 2.0 * level.bandwidth_spread / root);
  }
}

// A mean has no interval of its own: that of the isolated median, relatively, stands for it.
void add_back_to_back(const CollectiveRecord& record, Times& times) {
  if (!record.back_to_back || *record.back_to_back <= Seconds()) {
    return;
  }
  const Timing& timing = record.timing;
  const double mean = record.back_to_back->in(unit::second);
  times[text_of(record.key) + " back to back"] = {
      mean * (timing.low / timing.median), mean, mean * (timing.high / timing.median)};
}

Times times_of(const Profile& profile) {
  Times times;
  for (const KernelRecord& record : profile.kernels) {
    times[text_of(record.key)] = interval_of(record.timing);
  }
  for (const CollectiveRecord& record : profile.collectives) {
    times[text_of(record.key)] = interval_of(record.timing);
    add_back_to_back(record, times);
  }
  if (profile.topology) {
    add_pairs(*profile.topology, profile.hosts, times);
    add_levels(*profile.topology, times);
  }
  return times;
}

// The file's innermost level of the same kind, inside the nodes or between them, that reaches as
// far as the measured one, or else the farthest; nothing where the file has none of the kind.
const LinkLevel* level_like(const MeasuredLevel& measured,
                            std::int64_t ranks_per_node,
                            const Cluster& cluster) {
  const bool is_inside = measured.devices <= ranks_per_node;
  const std::int64_t nodes = ceil_div(measured.devices, ranks_per_node);
  const std::int64_t reach = is_inside ? measured.devices : nodes * cluster.devices_per_node;
  const LinkLevel* like = nullptr;
  for (const LinkLevel& level : cluster.levels) {
    const bool is_of_kind = (level.devices <= cluster.devices_per_node) == is_inside;
    if (is_of_kind && (like == nullptr || like->devices < reach)) {
      like = &level;
    }
  }
  return like;
}

// What the file promises one pair of ranks; between nodes less where several ranks share what it
// promises a device.
void expect_levels(const Cluster& cluster, const Profile& after, Times& expected) {
  const std::int64_t ranks_per_node = std::max<std::int64_t>(after.ranks_per_node, 1);
  for (const MeasuredLevel& measured : after.topology->levels) {
    const LinkLevel* const level = level_like(measured, ranks_per_node, cluster);
    if (level == nullptr) {
      continue;
    }
    const double sharers =
        measured.devices <= ranks_per_node
            ? 1.0
            : std::max(
                  1.0,
                  static_cast<double>(ranks_per_node) /
                      static_cast<double>(std::max<std::int64_t>(cluster.devices_per_node, 1)));
    const BytesPerSecond rate =
        pair_bandwidth(*level) * (level->efficiency / level->oversubscription / sharers);
    const std::string name = fmt::format("level '{}' ", measured.name);
    expected[name + "latency"] = around(level->latency.in(unit::second), 0.0);
    expected[name + "bandwidth"] = around(seconds_per_byte(rate), 0.0);
  }
}

std::vector<Comparison> compare(const Times& before, const Times& after, double tolerance) {
  std::vector<Comparison> comparisons;
  for (const auto& [key, now] : after) {
    const auto found = before.find(key);
    if (found == before.end()) {
      continue;
    }
    const Interval& then = found->second;
    const double ratio = now.middle / then.middle;
    comparisons.push_back(
        {key, then.middle, now.middle, ratio, ratio > 1.0 + tolerance && now.low > then.high});
  }
  std::ranges::stable_sort(comparisons, std::greater<>(), &Comparison::ratio);
  return comparisons;
}

}  // namespace

std::vector<Comparison> compare_profiles(const Profile& before,
                                         const Profile& after,
                                         double tolerance) {
  return compare(times_of(before), times_of(after), tolerance);
}

std::vector<std::string> not_measured_again(const Profile& before, const Profile& after) {
  const Times now = times_of(after);
  std::vector<std::string> missing;
  for (const auto& [key, time] : times_of(before)) {
    if (!now.contains(key)) {
      missing.push_back(key);
    }
  }
  return missing;
}

std::vector<Comparison> compare_with_cluster(const Cluster& cluster,
                                             const Profile& after,
                                             double tolerance) {
  Times expected;
  const PriceList prices = prices_from(cluster, Strictness::any_tier);
  for (const KernelRecord& record : after.kernels) {
    try {
      expected[text_of(record.key)] = around(prices.kernel(record.key).time.in(unit::second), 0.0);
    } catch (const InputError&) {
      continue;  // The file has no peak for this format: nothing to compare with.
    }
  }
  for (const CollectiveRecord& record : after.collectives) {
    if (!cluster.levels.empty()) {
      expected[text_of(record.key)] =
          around(prices.collective(record.key).time.in(unit::second), 0.0);
    }
  }
  if (after.topology) {
    expect_levels(cluster, after, expected);
  }
  return compare(expected, times_of(after), tolerance);
}

}  // namespace forerun
