// Chooses the fastest algorithm; each has a file in comm/cost.
#include "comm/collective_cost.hpp"

#include <algorithm>
#include <cstdint>

#include "comm/cost/bruck.hpp"
#include "comm/cost/double_binary_tree.hpp"
#include "comm/cost/pairwise.hpp"
#include "comm/cost/recursive_doubling.hpp"
#include "comm/cost/recursive_halving.hpp"
#include "comm/cost/ring.hpp"
#include "comm/cost/switch_reduced.hpp"

namespace forerun {

namespace {

Seconds reduced_in_network(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  return key.group.ranks > 1 ? switch_reduced_time(key, levels) : Seconds();
}

// The switch points of Open MPI's coll/tuned, 4.1 and 5.0 (coll_tuned_decision_fixed.c), where the
// algorithms on both sides differ in cost; sizes are those that the function itself compares.
constexpr std::int64_t kibibyte = 1024;

// Recursive doubling, the ring on two and three ranks, then Rabenseifner's halving and doubling.
Seconds mpi_all_reduce_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  const std::int64_t ranks = key.group.ranks;
  if (ranks < 4) {
    constexpr std::int64_t doubles_below = 16 * kibibyte;
    constexpr std::int64_t rings_below = 256 * kibibyte;
    if (key.bytes < doubles_below) {
      return recursive_doubling_time(key, levels);
    }
    return key.bytes < rings_below ? ring_time(key, levels) : recursive_halving_time(key, levels);
  }
  std::int64_t doubles_below = 16 * kibibyte;
  if (ranks < 32) {
    doubles_below = (ranks < 16 ? 8 : 4) * kibibyte;
  } else if (ranks >= 64 && ranks < 256) {
    doubles_below = 256 * kibibyte;
  }
  return key.bytes < doubles_below ? recursive_doubling_time(key, levels)
                                   : recursive_halving_time(key, levels);
}

// Recursive doubling, of Bruck's cost, up to 31 ranks; beyond, neighbours pass on what they hold.
bool gathers_in_log_steps(const CollectiveKey& key) {
  const std::int64_t ranks = key.group.ranks;
  const std::int64_t most_from_one = ranks < 64 ? kibibyte : kibibyte / 2;
  return ranks < 32 || key.bytes / ranks < most_from_one;
}

// Of MPI_Reduce_scatter, which the communicator calls (comm/mpi).
bool halves(const CollectiveKey& key) {
  const std::int64_t ranks = key.group.ranks;
  if (ranks < 4) {
    return false;
  }
  return ranks >= 64 || key.bytes < (ranks < 32 ? 256 : 512) * kibibyte;
}

bool exchanges_by_bruck(const CollectiveKey& key) {
  const std::int64_t ranks = key.group.ranks;
  return ranks >= 16 && key.bytes / ranks < kibibyte / 2;
}

}  // namespace

Seconds collective_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  switch (key.op) {
    case Collective::all_reduce:
      return std::min({ring_time(key, levels),
                       double_binary_tree_time(key, levels),
                       reduced_in_network(key, levels)});
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::broadcast:
      return ring_time(key, levels);
    case Collective::all_to_all:
      return std::min(pairwise_time(key, levels), bruck_time(key, levels));
    case Collective::send_recv:
      return send_recv_time(key, levels);
  }
  return {};
}

Seconds mpi_collective_time(const CollectiveKey& key, std::span<const LinkLevel> levels) {
  switch (key.op) {
    case Collective::all_reduce:
      return mpi_all_reduce_time(key, levels);
    case Collective::all_gather:
      return gathers_in_log_steps(key) ? bruck_time(key, levels) : ring_time(key, levels);
    case Collective::reduce_scatter:
      return halves(key) ? recursive_halving_time(key, levels) : ring_time(key, levels);
    case Collective::all_to_all:
      return exchanges_by_bruck(key) ? bruck_time(key, levels) : pairwise_time(key, levels);
    case Collective::broadcast:
      return recursive_doubling_time(key, levels);
    case Collective::send_recv:
      return send_recv_time(key, levels);
  }
  return {};
}

}  // namespace forerun
