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

std::vector<Straggler> find_stragglers(const std::vector<Residual>& residuals,
                                       const MeasuredTopology& topology,
                                       const std::vector<std::string>& hosts) {
  constexpr std::size_t least_ranks = 4;  // of three, each is as odd as the others
  std::vector<Straggler> stragglers;
  if (hosts.size() < least_ranks) {
    return stragglers;
  }

  std::vector<std::vector<double>> latencies(hosts.size());
  std::vector<std::vector<double>> bandwidths(hosts.size());
  for (const Residual& residual : residuals) {
    const PairDistance& pair = topology.pairs[residual.pair];
    for (const std::int64_t rank : {pair.first, pair.second}) {
      latencies[static_cast<std::size_t>(rank)].push_back(residual.latency);
      bandwidths[static_cast<std::size_t>(rank)].push_back(residual.bandwidth);
    }
  }
  std::vector<double> latency;
  std::vector<double> bandwidth;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    latency.push_back(median_of(latencies[rank]));
    bandwidth.push_back(median_of(bandwidths[rank]));
  }
  const auto limit = [](const std::vector<double>& values) {
    const double centre = median_of(values);
    return centre +
           std::max(std::log(least_factor), odd_deviations * robust_deviation(values, centre));
  };
  const double latency_limit = limit(latency);
  const double bandwidth_limit = limit(bandwidth);
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    if (latency[rank] > latency_limit || bandwidth[rank] > bandwidth_limit) {
      stragglers.push_back({static_cast<std::int64_t>(rank),
                            hosts[rank],
                            std::exp(latency[rank]),
                            std::exp(bandwidth[rank])});
    }
  }
  std::ranges::stable_sort(stragglers, std::greater<>(), [](const Straggler& straggler) {
    return straggler.latency_factor * straggler.bandwidth_factor;
  });
  return stragglers;
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

void name_odd_ranks(MeasuredTopology& topology,
                    const Chain& chain,
                    const std::vector<std::string>& hosts) {
  const auto residuals = residuals_of(topology, chain);
  topology.stragglers = find_stragglers(residuals, topology, hosts);
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
