#include "topologies/odd_ranks.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "topologies/median.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr double odd_deviations = 4.0;

// More lines than this nobody reads; the document holds them all.
constexpr std::size_t most_findings = 8;

// A pair against its level, as logarithms: positive is worse.
struct Residual {
  std::size_t pair = 0;
  std::size_t level = 0;
  double latency = 0.0;
  double bandwidth = 0.0;
};

std::vector<Residual> residuals_of(const MeasuredTopology& topology, const Chain& chain) {
  std::vector<Residual> residuals;
  for (std::size_t i = 0; i < topology.pairs.size(); ++i) {
    const PairDistance& pair = topology.pairs[i];
    const std::size_t at = level_of(chain, pair.first, pair.second);
    const MeasuredLevel& level = topology.levels[at];
    residuals.push_back({i,
                         at,
                         std::log(pair.latency / level.latency),
                         std::log(level.bandwidth / pair.bandwidth)});
  }
  return residuals;
}

std::string numbered(const char* name, std::size_t number, std::size_t of) {
  return of == 1 ? name : fmt::format("{} {}", name, number);
}

// Levels inside the hosts, the hosts, and what joins them; `nodes` levels lie within hosts.
void name_levels(MeasuredTopology& topology, std::size_t nodes, bool has_node_level) {
  const std::size_t domains = has_node_level ? nodes - 1 : nodes;
  const std::size_t networks = topology.levels.size() - nodes;
  for (std::size_t i = 0; i < topology.levels.size(); ++i) {
    std::string& name = topology.levels[i].name;
    if (i < domains) {
      name = numbered("domain", i + 1, domains);
    } else if (i < nodes) {
      name = "node";
    } else {
      name = numbered("network", i - nodes + 1, networks);
    }
  }
}

std::string groups_text(const std::vector<std::vector<std::int64_t>>& groups) {
  constexpr std::size_t most_groups = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(groups.size(), most_groups); ++i) {
    text += fmt::format("{}{{{}}}", i == 0 ? "" : " ", fmt::join(groups[i], ","));
  }
  return groups.size() > most_groups ? text + " ..." : text;
}

std::string step_text(const MeasuredLevel& inner, const MeasuredLevel& outer) {
  return fmt::format("{:.1f} times the latency and {:.1f} times the time per byte of '{}'",
                     outer.latency / inner.latency,
                     inner.bandwidth / outer.bandwidth,
                     inner.name);
}

void report_agreement(MeasuredTopology& topology, std::size_t nodes, std::size_t hosts) {
  topology.agreement = HostAgreement::agrees;
  if (nodes == 0) {
    topology.findings.emplace_back("every rank has a host of its own: all links are between hosts");
    return;
  }
  topology.findings.push_back(
      fmt::format("the groups of level '{}' are the {} hosts; '{}' between them has {}",
                  topology.levels[nodes - 1].name,
                  hosts,
                  topology.levels[nodes].name,
                  step_text(topology.levels[nodes - 1], topology.levels[nodes])));
}

void report_conflict(MeasuredTopology& topology, const Partition& host_groups) {
  topology.agreement = HostAgreement::conflict;
  const std::size_t hosts = group_count(host_groups);
  if (topology.levels.size() == 1) {
    topology.findings.push_back(
        fmt::format("conflict: {} hosts were discovered, but links between them measure like those "
                    "inside (containers of one machine, or a network as fast as memory?)",
                    hosts));
    return;
  }
  std::string text =
      fmt::format("conflict: no measured level has the groups of the {} hosts", hosts);
  for (std::size_t i = 0; i + 1 < topology.levels.size(); ++i) {
    text += fmt::format(
        "; level '{}' has {}", topology.levels[i].name, groups_text(topology.levels[i].groups));
  }
  topology.findings.push_back(text);
}

// A pair's distance by one metric, as a logarithm: larger is worse.
struct Distance {
  std::int64_t first = 0;
  std::int64_t second = 0;
  std::size_t level = 0;
  double value = 0.0;

  [[nodiscard]] bool touches(std::int64_t rank) const { return first == rank || second == rank; }

  [[nodiscard]] bool touches_any(const std::set<std::int64_t>& ranks) const {
    return ranks.contains(first) || ranks.contains(second);
  }
};

using Distances = std::vector<Distance>;

// The median of each level's pairs that touch none of these ranks; none for a level without any.
std::map<std::size_t, double> medians_without(const Distances& distances,
                                              const std::set<std::int64_t>& left_out) {
  std::map<std::size_t, std::vector<double>> values;
  for (const Distance& distance : distances) {
    if (!distance.touches_any(left_out)) {
      values[distance.level].push_back(distance.value);
    }
  }
  std::map<std::size_t, double> medians;
  for (auto& [level, of_level] : values) {
    medians[level] = median_of(std::move(of_level));
  }
  return medians;
}

// By how much the rank's pairs are worse than pairs of their levels that touch neither it nor one
// of `others`; its pairs with those do not count.
std::vector<double> excesses_of(std::int64_t rank,
                                const Distances& distances,
                                std::set<std::int64_t> others) {
  others.erase(rank);
  std::set<std::int64_t> left_out = others;
  left_out.insert(rank);
  const auto medians = medians_without(distances, left_out);
  std::vector<double> excesses;
  for (const Distance& distance : distances) {
    const auto median = medians.find(distance.level);
    if (distance.touches(rank) && !distance.touches_any(others) && median != medians.end()) {
      excesses.push_back(distance.value - median->second);
    }
  }
  return excesses;
}

// Worse by at least this much is the larger half of them.
double lower_median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// What noise alone makes of the median over the rank's pairs, by the standard error of a median:
// from their spread and that of all pairs that do not touch it, around the medians taken of both.
double noise_of(std::int64_t rank,
                const Distances& distances,
                const std::vector<double>& excesses) {
  constexpr double median_to_mean = 1.2533;  // of normal noise: sqrt(pi / 2)
  const auto medians = medians_without(distances, {rank});
  const double centre = median_of(excesses);
  std::vector<double> residuals;
  residuals.reserve(excesses.size() + distances.size());
  for (const double excess : excesses) {
    residuals.push_back(excess - centre);
  }
  for (const Distance& distance : distances) {
    if (!distance.touches(rank)) {
      residuals.push_back(distance.value - medians.at(distance.level));
    }
  }
  const auto count = static_cast<double>(residuals.size());
  const auto free = std::max(count - 1.0 - static_cast<double>(medians.size()), 1.0);
  return median_to_mean * robust_deviation(residuals, 0.0) * std::sqrt(count / free) /
         std::sqrt(static_cast<double>(excesses.size()));
}

// The ranks that are slow to most others by this metric.
std::set<std::int64_t> slow_by(const Distances& distances, std::int64_t ranks) {
  std::vector<double> excess;
  std::vector<double> noise;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const auto excesses = excesses_of(rank, distances, {});
    excess.push_back(excesses.empty() ? 0.0 : lower_median_of(excesses));
    noise.push_back(excesses.empty() ? 0.0 : noise_of(rank, distances, excesses));
  }
  const double centre = median_of(excess);
  const double spread = robust_deviation(excess, centre);
  // Of three, one pair is all that a rank is compared with, and noise makes more of it.
  constexpr double least_of_three = 2.0;
  const double least = std::log(ranks > 3 ? least_factor : least_of_three);
  std::set<std::int64_t> slow;
  for (std::size_t rank = 0; rank < excess.size(); ++rank) {
    if (excess[rank] > least && excess[rank] > odd_deviations * noise[rank] &&
        excess[rank] - centre > odd_deviations * spread) {
      slow.insert(static_cast<std::int64_t>(rank));
    }
  }
  return slow;
}

// Against pairs of sound ranks; where there are none, against all that do not touch the rank.
double factor_of(std::int64_t rank, const Distances& distances, const std::set<std::int64_t>& odd) {
  auto excesses = excesses_of(rank, distances, odd);
  if (excesses.empty()) {
    excesses = excesses_of(rank, distances, {});
  }
  return excesses.empty() ? 1.0 : std::exp(median_of(std::move(excesses)));
}

std::vector<SlowLink> find_slow_links(const std::vector<Residual>& residuals,
                                      const MeasuredTopology& topology) {
  std::set<std::int64_t> excused;
  for (const Straggler& straggler : topology.stragglers) {
    excused.insert(straggler.rank);
  }
  std::vector<SlowLink> links;
  for (const Residual& residual : residuals) {
    const PairDistance& pair = topology.pairs[residual.pair];
    const MeasuredLevel& level = topology.levels[residual.level];
    const auto is_worse = [](double distance, double spread, double error) {
      return distance > std::log(least_factor) && distance > odd_deviations * spread &&
             distance > 2.0 * error;
    };
    const bool is_slow = is_worse(residual.latency, level.latency_spread, pair.latency_error) ||
                         is_worse(residual.bandwidth, level.bandwidth_spread, pair.bandwidth_error);
    if (is_slow && !excused.contains(pair.first) && !excused.contains(pair.second)) {
      links.push_back({pair.first,
                       pair.second,
                       level.name,
                       std::exp(residual.latency),
                       std::exp(residual.bandwidth)});
    }
  }
  std::ranges::stable_sort(links, std::greater<>(), [](const SlowLink& link) {
    return std::max(link.latency_factor, link.bandwidth_factor);
  });
  return links;
}

std::string with_host(std::int64_t rank, const std::vector<std::string>& hosts) {
  const std::string& host = hosts[static_cast<std::size_t>(rank)];
  return host.empty() ? fmt::format("{}", rank) : fmt::format("{} ({})", rank, host);
}

}  // namespace

void compare_with_hosts(MeasuredTopology& topology,
                        const Chain& chain,
                        const Partition& host_groups,
                        const std::vector<std::string>& hosts) {
  const std::size_t count = group_count(host_groups);
  const bool are_unknown =
      std::ranges::all_of(hosts, [](const std::string& host) { return host.empty(); });
  if (count == 1 || are_unknown) {
    name_levels(topology, topology.levels.size(), true);
    return;
  }
  // Levels whose groups lie within hosts; with one rank a host there is none.
  std::size_t nodes = 0;
  while (nodes < chain.size() && is_nested(chain[nodes], host_groups)) {
    ++nodes;
  }
  const bool agrees = count == hosts.size() || (nodes > 0 && chain[nodes - 1] == host_groups);
  name_levels(topology, nodes, agrees && nodes > 0);
  if (agrees) {
    report_agreement(topology, nodes, count);
  } else {
    report_conflict(topology, host_groups);
  }
}

std::vector<Straggler> find_stragglers(const std::vector<PairDistance>& pairs,
                                       const Chain& chain,
                                       const std::vector<std::string>& hosts) {
  constexpr std::size_t least_ranks = 3;  // of two, each is as odd as the other
  if (hosts.size() < least_ranks) {
    return {};
  }
  Distances latencies;
  Distances bandwidths;
  for (const PairDistance& pair : pairs) {
    const std::size_t level = level_of(chain, pair.first, pair.second);
    latencies.push_back({pair.first, pair.second, level, std::log(pair.latency.in(unit::second))});
    bandwidths.push_back(
        {pair.first, pair.second, level, -std::log(pair.bandwidth.in(unit::byte / unit::second))});
  }
  std::set<std::int64_t> odd = slow_by(latencies, std::ssize(hosts));
  odd.merge(slow_by(bandwidths, std::ssize(hosts)));
  std::vector<Straggler> stragglers;
  stragglers.reserve(odd.size());
  for (const std::int64_t rank : odd) {
    stragglers.push_back({rank,
                          hosts[static_cast<std::size_t>(rank)],
                          factor_of(rank, latencies, odd),
                          factor_of(rank, bandwidths, odd)});
  }
  std::ranges::stable_sort(stragglers, std::greater<>(), [](const Straggler& straggler) {
    return straggler.latency_factor * straggler.bandwidth_factor;
  });
  stragglers.resize(std::min(stragglers.size(), (hosts.size() - 1) / 2));
  return stragglers;
}

void name_odd_ranks(MeasuredTopology& topology,
                    const Chain& chain,
                    const std::vector<std::string>& hosts) {
  const auto residuals = residuals_of(topology, chain);
  topology.slow_links = find_slow_links(residuals, topology);
  for (const Straggler& straggler : topology.stragglers) {
    topology.findings.push_back(
        fmt::format("rank {} is a straggler: {:.2f} times the latency and {:.2f} times the time "
                    "per byte of the others",
                    with_host(straggler.rank, hosts),
                    straggler.latency_factor,
                    straggler.bandwidth_factor));
  }
  for (std::size_t i = 0; i < std::min(topology.slow_links.size(), most_findings); ++i) {
    const SlowLink& link = topology.slow_links[i];
    topology.findings.push_back(
        fmt::format("ranks {} and {} are slow: {:.2f} times the latency and {:.2f} times the time "
                    "per byte of level '{}'",
                    with_host(link.first, hosts),
                    with_host(link.second, hosts),
                    link.latency_factor,
                    link.bandwidth_factor,
                    link.level));
  }
  if (topology.slow_links.size() > most_findings) {
    topology.findings.push_back(
        fmt::format("and {} more slow links", topology.slow_links.size() - most_findings));
  }
}

}  // namespace forerun
