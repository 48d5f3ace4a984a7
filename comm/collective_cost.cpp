// Chooses the fastest algorithm; each has a file in comm/cost.
#include "comm/collective_cost.hpp"

#include <algorithm>
#include <bit>
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
  constexpr std::int64_t reduced_by_doubling = 10'000;  // bytes, up to
  constexpr std::int64_t gathered_in_log_steps = 50'000;
  constexpr std::int64_t scattered_by_halving = 12'288;
  constexpr std::int64_t scattered_by_even_halving = 262'144;  // ranks a power of two
  constexpr std::int64_t exchanged_by_bruck = 200;             // bytes for one other rank
  constexpr std::int64_t bruck_ranks = 12;                     // more than
  const std::int64_t ranks = key.group.ranks;
  switch (key.op) {
    case Collective::all_reduce:
      return key.bytes < reduced_by_doubling ? recursive_doubling_time(key, levels)
                                             : ring_time(key, levels);
    case Collective::all_gather:
      return key.bytes < gathered_in_log_steps ? bruck_time(key, levels) : ring_time(key, levels);
    case Collective::reduce_scatter: {
      const bool halves = key.bytes <= scattered_by_halving ||
                          (key.bytes <= scattered_by_even_halving &&
                           std::has_single_bit(static_cast<std::uint64_t>(ranks)));
      return halves ? recursive_halving_time(key, levels) : ring_time(key, levels);
    }
    case Collective::all_to_all:
      return ranks > bruck_ranks && key.bytes / ranks < exchanged_by_bruck
                 ? bruck_time(key, levels)
                 : pairwise_time(key, levels);
    case Collective::broadcast:
    case Collective::send_recv:
      return collective_time(key, levels);
  }
  return {};
}

}  // namespace forerun
