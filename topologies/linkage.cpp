// A heap of edges between living clusters; an edge whose cluster has merged is passed over.
#include "topologies/linkage.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace forerun {
namespace {

// The edges of the matrix that run between two clusters.
struct Bundle {
  double sum = 0.0;
  double count = 0.0;

  [[nodiscard]] double mean() const { return sum / count; }
};

class Forest {
 public:
  Forest(std::size_t ranks, std::span<const RankEdge> edges)
      : neighbours_(ranks), is_alive_(ranks, true) {
    for (const RankEdge& edge : edges) {
      const auto first = static_cast<std::size_t>(edge.first);
      const auto second = static_cast<std::size_t>(edge.second);
      if (first >= ranks || second >= ranks || first == second) {
        throw std::invalid_argument("an edge must join two different ranks of those given");
      }
      for (const auto& [from, to] : {std::pair(first, second), std::pair(second, first)}) {
        Bundle& bundle = neighbours_[from][to];
        bundle.sum += edge.distance;
        bundle.count += 1.0;
      }
    }
    for (std::size_t i = 0; i < ranks; ++i) {
      for (const auto& [other, bundle] : neighbours_[i]) {
        if (i < other) {
          queue_.emplace(bundle.mean(), i, other);
        }
      }
    }
  }

  std::vector<Merge> merges() {
    std::vector<Merge> all;
    double height = 0.0;
    while (!queue_.empty()) {
      const auto [distance, left, right] = queue_.top();
      queue_.pop();
      if (!is_alive_[left] || !is_alive_[right]) {
        continue;
      }
      // Holes in the matrix may bring two clusters closer by their union with a third.
      height = all.empty() ? distance : std::max(height, distance);
      all.push_back({left, right, height});
      join(left, right);
    }
    return all;
  }

 private:
  void join(std::size_t left, std::size_t right) {
    const std::size_t made = neighbours_.size();
    std::map<std::size_t, Bundle> around = std::move(neighbours_[left]);
    for (const auto& [other, bundle] : neighbours_[right]) {
      around[other].sum += bundle.sum;
      around[other].count += bundle.count;
    }
    around.erase(left);
    around.erase(right);
    is_alive_[left] = false;
    is_alive_[right] = false;
    neighbours_[left].clear();
    neighbours_[right].clear();
    for (const auto& [other, bundle] : around) {
      auto& theirs = neighbours_[other];
      theirs.erase(left);
      theirs.erase(right);
      theirs[made] = bundle;
      queue_.emplace(bundle.mean(), other, made);
    }
    neighbours_.push_back(std::move(around));
    is_alive_.push_back(true);
  }

  using Candidate = std::tuple<double, std::size_t, std::size_t>;

  std::vector<std::map<std::size_t, Bundle>> neighbours_;
  std::vector<bool> is_alive_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

}  // namespace

std::vector<Merge> average_linkage(std::int64_t ranks, std::span<const RankEdge> edges) {
  return Forest(static_cast<std::size_t>(ranks), edges).merges();
}

Partition partition_after(std::int64_t ranks, std::span<const Merge> merges, std::size_t count) {
  const auto total = static_cast<std::size_t>(ranks);
  std::vector<std::size_t> parent(total + count);
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  for (std::size_t i = 0; i < count; ++i) {
    parent[merges[i].left] = total + i;
    parent[merges[i].right] = total + i;
  }
  Partition groups(total);
  for (std::size_t rank = 0; rank < total; ++rank) {
    std::size_t cluster = rank;
    while (parent[cluster] != cluster) {
      cluster = parent[cluster];
    }
    groups[rank] = cluster;
  }
  return renumbered(groups);
}

std::size_t group_count(const Partition& partition) {
  return partition.empty() ? 0 : *std::ranges::max_element(partition) + 1;
}

std::vector<std::size_t> group_sizes(const Partition& partition) {
  std::vector<std::size_t> sizes(group_count(partition));
  for (const std::size_t group : partition) {
    ++sizes[group];
  }
  return sizes;
}

Partition renumbered(const Partition& partition) {
  std::map<std::size_t, std::size_t> numbers;
  Partition groups;
  for (const std::size_t group : partition) {
    groups.push_back(numbers.emplace(group, numbers.size()).first->second);
  }
  return groups;
}

bool is_nested(const Partition& inner, const Partition& outer) {
  std::map<std::size_t, std::size_t> home;
  for (std::size_t rank = 0; rank < inner.size(); ++rank) {
    if (home.emplace(inner[rank], outer[rank]).first->second != outer[rank]) {
      return false;
    }
  }
  return true;
}

}  // namespace forerun
