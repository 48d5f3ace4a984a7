#include "topologies/level_chain.hpp"

#include <algorithm>
#include <limits>

#include "topologies/median.hpp"

namespace forerun {
namespace {

// Heights nearer than this share of the least distance belong together from the start.
constexpr double least_gap = 0.2;

// How far two neighbouring levels are from being one: at least 1 when they are two.
double strength_of(const std::vector<double>& near,
                   const std::vector<double>& far,
                   const Separation& separation) {
  if (near.empty() || far.empty()) {
    return 0.0;
  }
  const double near_median = median_of(near);
  const double far_median = median_of(far);
  std::vector<double> residuals;
  residuals.reserve(near.size() + far.size());
  for (const double distance : near) {
    residuals.push_back(distance - near_median);
  }
  for (const double distance : far) {
    residuals.push_back(distance - far_median);
  }
  const double threshold =
      std::max(separation.least_distance, separation.deviations * robust_deviation(residuals, 0.0));
  return std::min((far_median - near_median) / threshold,
                  share_in_order(near, far) / separation.in_order);
}

Chain candidates(std::int64_t ranks, std::span<const Merge> merges, double gap) {
  Chain chain;
  for (std::size_t i = 1; i < merges.size(); ++i) {
    if (merges[i].height - merges[i - 1].height > gap) {
      chain.push_back(partition_after(ranks, merges, i));
    }
  }
  return chain;
}

}  // namespace

std::size_t level_of(const Chain& chain, std::int64_t first, std::int64_t second) {
  const auto joins = [&](const Partition& partition) {
    return partition[static_cast<std::size_t>(first)] ==
           partition[static_cast<std::size_t>(second)];
  };
  return static_cast<std::size_t>(std::ranges::find_if(chain, joins) - chain.begin());
}

std::vector<std::vector<double>> distances_by_level(const Chain& chain,
                                                    std::span<const RankEdge> edges) {
  std::vector<std::vector<double>> levels(chain.size() + 1);
  for (const RankEdge& edge : edges) {
    levels[level_of(chain, edge.first, edge.second)].push_back(edge.distance);
  }
  return levels;
}

double share_in_order(const std::vector<double>& near, const std::vector<double>& far) {
  if (near.empty() || far.empty()) {
    return 1.0;
  }
  std::vector<double> sorted = near;
  std::ranges::sort(sorted);
  double in_order = 0.0;
  for (const double distance : far) {
    const auto [below, above] = std::equal_range(sorted.begin(), sorted.end(), distance);
    in_order += 0.5 * static_cast<double>((below - sorted.begin()) + (above - sorted.begin()));
  }
  return in_order / (static_cast<double>(near.size()) * static_cast<double>(far.size()));
}

Chain separated_partitions(std::int64_t ranks,
                           std::span<const RankEdge> edges,
                           const Separation& separation) {
  Chain chain =
      candidates(ranks, average_linkage(ranks, edges), least_gap * separation.least_distance);
  while (!chain.empty()) {
    const auto levels = distances_by_level(chain, edges);
    std::size_t weakest = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const double strength = strength_of(levels[i], levels[i + 1], separation);
      if (strength < least) {
        weakest = i;
        least = strength;
      }
    }
    if (least >= 1.0) {
      break;
    }
    chain.erase(chain.begin() + static_cast<std::ptrdiff_t>(weakest));
  }
  return chain;
}

}  // namespace forerun
