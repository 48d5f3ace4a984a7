// Times of collectives inside one node, from what was published of its kind.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "comm/collective_key.hpp"
#include "topologies/node_profile.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct NodeCollectiveTime {
  Seconds time;
  double relative_error = 0.0;
};

/// Curves of a node profile by collective, ready to be looked up. Groups that a node's switch joins
/// do not disturb each other: how many run at once does not matter.
class NodeCollectives {
 public:
  explicit NodeCollectives(const NodeProfile& profile);

  /// Nothing for a group that leaves its node, and for a collective of which no curve is known
  /// (reduce-scatter stands for all-gather and the reverse). Between two numbers of ranks the
  /// logarithm of time is linear in that of the ranks; beyond them, latency grows with the
  /// logarithm of the ranks and the bus bandwidth is held.
  [[nodiscard]] std::optional<NodeCollectiveTime> time(const CollectiveKey& key) const;

  /// What an all-reduce, all-gather or reduce-scatter inside a node takes at least when every
  /// rank's host launches it: that of as many ranks, else of the next larger known number, else of
  /// the largest. Nothing where nothing is known.
  [[nodiscard]] std::optional<Seconds> launched_time(const CollectiveKey& key) const;

 private:
  struct Curve {
    double ranks = 0.0;
    double latency_s = 0.0;
    double root_s = 0.0;
    double bytes_per_s = 0.0;
    double error = 0.0;
  };

  static constexpr std::size_t ops = 6;  ///< as many as Collective has
  [[nodiscard]] const std::vector<Curve>& curves_of(Collective op) const;
  static double seconds(const Curve& curve, const CollectiveKey& key);

  std::array<std::vector<Curve>, ops> curves_;  ///< by op, ascending in ranks
  std::vector<LaunchedCollective> launched_;
};

}  // namespace forerun
