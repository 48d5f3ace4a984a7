#include "comm/node_collectives.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr double bytes_per_mib = 1048576.0;

// Latency of eight ranks relative to that of two, in topologies/catalog/nodes: all_gather 1.64
// (A100), reduce_scatter 1.57 (A100) and 1.83 (B300), all_reduce 2.45 (B200). A ring's steps would
// make 7, a tree's 3.
double latency_growth(Collective op, double from_ranks, double to_ranks) {
  return op == Collective::send_recv ? 1.0 : std::log(to_ranks) / std::log(from_ranks);
}

}  // namespace

NodeCollectives::NodeCollectives(const NodeProfile& profile) : launched_(profile.launched) {
  for (std::size_t i = 0; i < ops; ++i) {
    for (const CollectiveCurve& curve : profile.collectives) {
      if (curve.op == name_of(static_cast<Collective>(i))) {
        curves_[i].push_back({static_cast<double>(curve.ranks),
                              curve.latency.in(unit::second),
                              curve.root.in(unit::second),
                              curve.bandwidth.in(unit::byte / unit::second),
                              curve.error});
      }
    }
    std::ranges::sort(curves_[i], {}, &Curve::ranks);
  }
}

const std::vector<NodeCollectives::Curve>& NodeCollectives::curves_of(Collective op) const {
  const auto& own = curves_[static_cast<std::size_t>(op)];
  if (own.empty() && op == Collective::all_gather) {
    return curves_[static_cast<std::size_t>(Collective::reduce_scatter)];
  }
  if (own.empty() && op == Collective::reduce_scatter) {
    return curves_[static_cast<std::size_t>(Collective::all_gather)];
  }
  return own;
}

double NodeCollectives::seconds(const Curve& curve, const CollectiveKey& key) {
  const double growth = latency_growth(key.op, curve.ranks, static_cast<double>(key.group.ranks));
  const double root = std::sqrt(static_cast<double>(key.bytes) / bytes_per_mib);
  return curve.latency_s * growth + curve.root_s * root + wire_bytes(key) / curve.bytes_per_s;
}

std::optional<Seconds> NodeCollectives::launched_time(const CollectiveKey& key) const {
  const bool joins_all = key.op == Collective::all_reduce || key.op == Collective::all_gather ||
                         key.op == Collective::reduce_scatter;
  const GroupShape& group = key.group;
  if (launched_.empty() || !joins_all || group.ranks < 2 || group.ranks_per_node < group.ranks) {
    return std::nullopt;
  }
  const auto found =
      std::ranges::lower_bound(launched_, group.ranks, {}, &LaunchedCollective::ranks);
  return found == launched_.end() ? launched_.back().latency : found->latency;
}

std::optional<NodeCollectiveTime> NodeCollectives::time(const CollectiveKey& key) const {
  const auto& curves = curves_of(key.op);
  const GroupShape& group = key.group;
  if (curves.empty() || group.ranks < 2 || group.ranks_per_node < group.ranks) {
    return std::nullopt;
  }
  const auto ranks = static_cast<double>(group.ranks);
  const auto above = std::ranges::lower_bound(curves, ranks, {}, &Curve::ranks);
  if (above == curves.end() || above == curves.begin() || above->ranks == ranks) {
    const Curve& nearest = above == curves.end() ? curves.back() : *above;
    return NodeCollectiveTime{seconds(nearest, key) * unit::second, nearest.error};
  }
  const Curve& below = *std::prev(above);
  // Each curve at its own number of ranks, then the number asked for between them.
  CollectiveKey fewer = key;
  fewer.group.ranks = static_cast<std::int64_t>(below.ranks);
  CollectiveKey more = key;
  more.group.ranks = static_cast<std::int64_t>(above->ranks);
  const double share = std::log(ranks / below.ranks) / std::log(above->ranks / below.ranks);
  const double low = std::log(seconds(below, fewer));
  const double high = std::log(seconds(*above, more));
  return NodeCollectiveTime{std::exp(low + share * (high - low)) * unit::second,
                            std::max(below.error, above->error)};
}

}  // namespace forerun
