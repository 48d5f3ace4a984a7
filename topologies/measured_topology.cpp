// Three clusterings of the same pairs, joined to one chain of groups; then what each level is like.
#include "topologies/measured_topology.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "topologies/level_chain.hpp"
#include "topologies/median.hpp"
#include "topologies/odd_ranks.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr auto byte_rate = unit::byte / unit::second;

// A quarter of the ranks may be odd ones out; more are structure.
constexpr std::size_t most_odd(std::size_t ranks) {
  return ranks / 4;
}

double by_latency(const PairDistance& pair) {
  return std::log(pair.latency.in(unit::second));
}

double by_bandwidth(const PairDistance& pair) {
  return -std::log(pair.bandwidth.in(byte_rate));
}

double by_both(const PairDistance& pair) {
  return by_latency(pair) + by_bandwidth(pair);
}

using Metric = double (*)(const PairDistance&);
constexpr std::array<Metric, 3> metrics{by_both, by_latency, by_bandwidth};

std::vector<RankEdge> edges_of(const std::vector<PairDistance>& pairs, Metric metric) {
  std::vector<RankEdge> edges;
  edges.reserve(pairs.size());
  for (const PairDistance& pair : pairs) {
    edges.push_back({pair.first, pair.second, metric(pair)});
  }
  return edges;
}

void check(const std::vector<PairDistance>& pairs) {
  for (const PairDistance& pair : pairs) {
    if (!std::isfinite(by_latency(pair)) || !std::isfinite(by_bandwidth(pair))) {
      throw std::invalid_argument(
          fmt::format("the latency or bandwidth of ranks {} and {} is not positive and finite",
                      pair.first,
                      pair.second));
    }
  }
}

// Which ranks share a host; each its own group where hosts are unknown.
Partition partition_of(const std::vector<std::string>& hosts) {
  std::map<std::string, std::size_t> numbers;
  Partition groups;
  for (const std::string& host : hosts) {
    const std::string name = host.empty() ? fmt::format("rank {}", groups.size()) : "host " + host;
    groups.push_back(numbers.emplace(name, numbers.size()).first->second);
  }
  return groups;
}

std::size_t singles(const Partition& partition) {
  return static_cast<std::size_t>(std::ranges::count(group_sizes(partition), std::size_t{1}));
}

// Whether two groups of several ranks become one between the two partitions.
bool joins_groups(const Partition& inner, const Partition& outer) {
  const auto sizes = group_sizes(inner);
  std::map<std::size_t, std::size_t> first_inside;
  for (std::size_t rank = 0; rank < inner.size(); ++rank) {
    if (sizes[inner[rank]] > 1 &&
        first_inside.emplace(outer[rank], inner[rank]).first->second != inner[rank]) {
      return true;
    }
  }
  return false;
}

// Drops partitions that only tell a few single ranks from the rest, unless they are the hosts.
void drop_single_ranks(Chain& chain, const Partition& hosts) {
  const Partition whole(hosts.size(), 0);
  for (std::size_t i = chain.size(); i-- > 0;) {
    const Partition& outer = i + 1 < chain.size() ? chain[i + 1] : whole;
    const std::size_t alone = singles(chain[i]);
    const bool is_odd =
        alone > 0 && alone <= most_odd(hosts.size()) && !joins_groups(chain[i], outer);
    const bool is_sparse = alone > most_odd(hosts.size());
    if (chain[i] != hosts && (is_odd || is_sparse)) {
      chain.erase(chain.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

// The group of several ranks that holds most of the host's other ranks, or nothing.
std::optional<std::size_t> group_of_mates(const Partition& partition,
                                          const Partition& hosts,
                                          std::size_t rank) {
  const auto sizes = group_sizes(partition);
  std::vector<std::size_t> mates(sizes.size(), 0);
  for (std::size_t other = 0; other < hosts.size(); ++other) {
    const bool is_mate = other != rank && hosts[other] == hosts[rank];
    if (is_mate && sizes[partition[other]] > 1) {
      ++mates[partition[other]];
    }
  }
  const auto most = std::ranges::max_element(mates);
  return *most > 0 ? std::optional(static_cast<std::size_t>(most - mates.begin())) : std::nullopt;
}

// A rank that is far from everyone still belongs to its host; what it lacks is said of the rank.
// Groups that then are neither parts of hosts nor whole hosts, and groups inside a host that leave
// ranks single, are what the luckiest pairs of noise look like: dropped.
void take_in_stragglers(Chain& chain, const Partition& hosts) {
  for (Partition& partition : chain) {
    const auto sizes = group_sizes(partition);
    Partition taken = partition;
    for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
      if (sizes[partition[rank]] == 1) {
        taken[rank] = group_of_mates(partition, hosts, rank).value_or(partition[rank]);
      }
    }
    taken = renumbered(taken);
    if (partition != hosts && is_nested(hosts, taken)) {
      partition = std::move(taken);
    }
  }
  std::erase_if(chain, [&](const Partition& partition) {
    return singles(partition) > 0 && !is_nested(hosts, partition);
  });
}

void insert_nested(Chain& chain, const Partition& partition) {
  auto place = chain.begin();
  for (; place != chain.end() && is_nested(*place, partition); ++place) {
    if (*place == partition) {
      return;
    }
  }
  if (std::all_of(place, chain.end(), [&](const Partition& outer) {
        return is_nested(partition, outer);
      })) {
    chain.insert(place, partition);
  }
}

Chain find_chain(const std::vector<PairDistance>& pairs, const Partition& hosts) {
  const auto ranks = static_cast<std::int64_t>(hosts.size());
  Chain found;
  for (const Metric metric : metrics) {
    Chain chain = separated_partitions(
        ranks, edges_of(pairs, metric), {.least_distance = std::log(least_factor)});
    drop_single_ranks(chain, hosts);
    take_in_stragglers(chain, hosts);
    for (const Partition& partition : chain) {
      if (group_count(partition) > 1) {
        insert_nested(found, partition);
      }
    }
  }
  found.emplace_back(hosts.size(), 0);
  return found;
}

std::vector<std::vector<std::int64_t>> members(const Partition& partition) {
  std::vector<std::vector<std::int64_t>> groups(group_count(partition));
  for (std::size_t rank = 0; rank < partition.size(); ++rank) {
    groups[partition[rank]].push_back(static_cast<std::int64_t>(rank));
  }
  return groups;
}

// The pairs that say what a level is like: without those of stragglers, unless it has no others.
std::vector<PairDistance> typical_pairs(const Chain& chain,
                                        const std::vector<PairDistance>& pairs,
                                        const std::vector<Straggler>& stragglers) {
  const auto is_sound = [&](const PairDistance& pair) {
    return std::ranges::none_of(stragglers, [&](const Straggler& straggler) {
      return straggler.rank == pair.first || straggler.rank == pair.second;
    });
  };
  std::vector<bool> has_sound(chain.size(), false);
  for (const PairDistance& pair : pairs) {
    if (is_sound(pair)) {
      has_sound[level_of(chain, pair.first, pair.second)] = true;
    }
  }
  std::vector<PairDistance> typical;
  std::ranges::copy_if(pairs, std::back_inserter(typical), [&](const PairDistance& pair) {
    return is_sound(pair) || !has_sound[level_of(chain, pair.first, pair.second)];
  });
  return typical;
}

// Share of comparisons in order between two neighbouring levels, by the metric that tells them
// apart best, half a comparison lost.
double confidence_between(const Chain& chain,
                          const std::vector<PairDistance>& pairs,
                          std::size_t inner) {
  double best = 0.0;
  for (const Metric metric : metrics) {
    const auto levels = distances_by_level(chain, edges_of(pairs, metric));
    const double comparisons =
        static_cast<double>(levels[inner].size()) * static_cast<double>(levels[inner + 1].size());
    if (comparisons > 0.0) {
      best = std::max(best, share_in_order(levels[inner], levels[inner + 1]) - 0.5 / comparisons);
    }
  }
  return best;
}

double confidence_alone(const std::vector<double>& distances) {
  const double centre = median_of(distances);
  const auto near = std::ranges::count_if(distances, [&](double distance) {
    return std::abs(distance - centre) <= std::log(least_factor);
  });
  return std::max(static_cast<double>(near) - 0.5, 0.0) / static_cast<double>(distances.size());
}

MeasuredLevel describe_level(const Partition& groups,
                             const std::vector<double>& latencies,
                             const std::vector<double>& bandwidths) {
  MeasuredLevel level;
  level.groups = members(groups);
  level.devices = static_cast<std::int64_t>(std::ranges::max(group_sizes(groups)));
  const double latency = median_of(latencies);
  const double bandwidth = median_of(bandwidths);
  level.latency = std::exp(latency) * unit::second;
  level.bandwidth = std::exp(-bandwidth) * byte_rate;
  level.latency_spread = robust_deviation(latencies, latency);
  level.bandwidth_spread = robust_deviation(bandwidths, bandwidth);
  return level;
}

std::vector<MeasuredLevel> describe_levels(const Chain& chain,
                                           const std::vector<PairDistance>& measured,
                                           const std::vector<Straggler>& stragglers) {
  const auto all = distances_by_level(chain, edges_of(measured, by_both));
  const auto pairs = typical_pairs(chain, measured, stragglers);
  const auto latencies = distances_by_level(chain, edges_of(pairs, by_latency));
  const auto bandwidths = distances_by_level(chain, edges_of(pairs, by_bandwidth));
  std::vector<MeasuredLevel> levels;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    levels.push_back(describe_level(chain[i], latencies[i], bandwidths[i]));
    levels.back().pairs = std::ssize(all[i]);
    levels.back().confidence = 1.0;
  }
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double confidence = confidence_between(chain, pairs, i);
    for (MeasuredLevel* const level : {&levels[i], &levels[i + 1]}) {
      level->confidence = std::min(level->confidence, confidence);
    }
  }
  if (levels.size() == 1) {
    levels.front().confidence =
        confidence_alone(distances_by_level(chain, edges_of(pairs, by_both)).front());
  }
  return levels;
}

// Whether numbers of two neighbouring levels differ by `least_factor`, and in the same sense as
// their pairs' medians do.
bool differ(double own, double of_pairs) {
  const double least = std::log(least_factor);
  return (own >= least && of_pairs >= least) || (own <= -least && of_pairs <= -least);
}

double step_of_latency(const MeasuredLevel& inner, const MeasuredLevel& outer) {
  return inner.latency_alone && outer.latency_alone
             ? std::log(*outer.latency_alone / *inner.latency_alone)
             : std::log(outer.latency / inner.latency);
}

double step_of_bandwidth(const MeasuredLevel& inner, const MeasuredLevel& outer) {
  return std::log(inner.bandwidth / outer.bandwidth);
}

// The first level that is like the next one in both latency and bandwidth, by the numbers of
// `own` or by the pairs', which `of_pairs` holds; nothing where all differ.
std::optional<std::size_t> first_alike(const std::vector<MeasuredLevel>& own,
                                       const std::vector<MeasuredLevel>& of_pairs) {
  for (std::size_t i = 0; i + 1 < own.size(); ++i) {
    if (!differ(step_of_latency(own[i], own[i + 1]),
                step_of_latency(of_pairs[i], of_pairs[i + 1])) &&
        !differ(step_of_bandwidth(own[i], own[i + 1]),
                step_of_bandwidth(of_pairs[i], of_pairs[i + 1]))) {
      return i;
    }
  }
  return std::nullopt;
}

Chain chain_of(const std::vector<MeasuredLevel>& levels, std::size_t ranks) {
  Chain chain;
  for (const MeasuredLevel& level : levels) {
    Partition partition(ranks, 0);
    for (std::size_t group = 0; group < level.groups.size(); ++group) {
      for (const std::int64_t rank : level.groups[group]) {
        partition[static_cast<std::size_t>(rank)] = group;
      }
    }
    chain.push_back(renumbered(partition));
  }
  return chain;
}

MeasuredTopology describe(std::vector<PairDistance> pairs,
                          const Chain& chain,
                          const std::vector<std::string>& hosts) {
  MeasuredTopology topology;
  topology.stragglers = find_stragglers(pairs, chain, hosts);
  topology.levels = describe_levels(chain, pairs, topology.stragglers);
  topology.pairs = std::move(pairs);
  compare_with_hosts(topology, chain, partition_of(hosts), hosts);
  name_odd_ranks(topology, chain, hosts);
  return topology;
}

// Levels without pairs say nothing; they arise when stragglers were taken in.
void drop_empty_levels(Chain& chain, const std::vector<PairDistance>& pairs) {
  const auto distances = distances_by_level(chain, edges_of(pairs, by_both));
  for (std::size_t i = chain.size(); i-- > 0;) {
    if (distances[i].empty()) {
      chain.erase(chain.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

}  // namespace

std::string_view name_of(HostAgreement agreement) {
  switch (agreement) {
    case HostAgreement::one_host:
      return "one_host";
    case HostAgreement::agrees:
      return "agrees";
    case HostAgreement::conflict:
      return "conflict";
  }
  return {};
}

MeasuredTopology find_levels(std::vector<PairDistance> pairs,
                             const std::vector<std::string>& hosts) {
  check(pairs);
  if (hosts.size() < 2) {
    return {};
  }
  const auto merges =
      average_linkage(static_cast<std::int64_t>(hosts.size()), edges_of(pairs, by_both));
  if (merges.size() + 1 != hosts.size()) {
    throw std::invalid_argument("the measured pairs do not connect all ranks");
  }
  const Partition host_groups = partition_of(hosts);
  Chain chain = find_chain(pairs, host_groups);
  drop_empty_levels(chain, pairs);
  return merge_alike_levels(describe(std::move(pairs), chain, hosts), hosts);
}

MeasuredTopology merge_alike_levels(MeasuredTopology topology,
                                    const std::vector<std::string>& hosts) {
  Chain chain = chain_of(topology.levels, hosts.size());
  std::vector<MeasuredLevel> own = topology.levels;
  std::vector<MeasuredLevel> of_pairs = describe_levels(chain, topology.pairs, topology.stragglers);
  for (auto alike = first_alike(own, of_pairs); alike; alike = first_alike(own, of_pairs)) {
    const auto place = static_cast<std::ptrdiff_t>(*alike);
    chain.erase(chain.begin() + place);
    own.erase(own.begin() + place);
    topology = describe(std::move(topology.pairs), chain, hosts);
    of_pairs = topology.levels;
    for (std::size_t i = 0; i < own.size(); ++i) {
      MeasuredLevel& level = topology.levels[i];
      level.bandwidth = own[i].bandwidth;
      level.latency_alone = own[i].latency_alone;
      level.bandwidth_alone = own[i].bandwidth_alone;
    }
  }
  return topology;
}

std::size_t level_between(const MeasuredTopology& topology,
                          std::int64_t first,
                          std::int64_t second) {
  const auto joins = [&](const std::vector<std::int64_t>& group) {
    return std::ranges::binary_search(group, first) && std::ranges::binary_search(group, second);
  };
  std::size_t level = 0;
  while (level + 1 < topology.levels.size() &&
         std::ranges::none_of(topology.levels[level].groups, joins)) {
    ++level;
  }
  return level;
}

}  // namespace forerun
