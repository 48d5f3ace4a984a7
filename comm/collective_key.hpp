// Names one collective of a training step: what is moved, how much, over which group of ranks.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "units/data_type.hpp"

namespace forerun {

enum class Collective { all_reduce, all_gather, reduce_scatter, broadcast, all_to_all, send_recv };
enum class ReduceOp { sum, max };

/// How a group of ranks lies on the nodes; all groups of a kind run at once and share links.
struct GroupShape {
  std::int64_t ranks = 1;
  std::int64_t ranks_per_node = 1;  ///< members of one group on one node
  std::int64_t concurrent = 1;      ///< groups of the kind that use a node's links at once
  friend auto operator<=>(const GroupShape&, const GroupShape&) = default;
};

struct CollectiveKey {
  Collective op = Collective::all_reduce;
  /// Bytes of the full tensor: the gathered size for all_gather and reduce_scatter (nccl-tests'
  /// S), a rank's send buffer for all_to_all, the message for send_recv.
  std::int64_t bytes = 0;
  DataType type = DataType::bf16;
  GroupShape group;
  friend auto operator<=>(const CollectiveKey&, const CollectiveKey&) = default;
};

[[nodiscard]] std::string_view name_of(Collective op);
[[nodiscard]] std::optional<Collective> collective_from(std::string_view name);

/// "all_reduce bf16 bytes=1048576 ranks=8 ranks_per_node=8 concurrent=1"; read back by
/// `collective_key_from`.
[[nodiscard]] std::string text_of(const CollectiveKey& key);
[[nodiscard]] std::optional<CollectiveKey> collective_key_from(std::string_view text);

/// Whether the operation adds up what the ranks give.
[[nodiscard]] bool reduces(Collective op);

/// Bytes that each rank puts on the wire: all_reduce 2(n-1)/n S, all_gather, reduce_scatter and
/// all_to_all (n-1)/n S, broadcast and send_recv S; 0 for one rank.
[[nodiscard]] double wire_bytes(const CollectiveKey& key);

/// Messages that follow each other on a ring: all_reduce 2(n-1), all_gather, reduce_scatter and
/// all_to_all n-1, broadcast and send_recv 1 (modelling.md 3.1); 0 for one rank.
[[nodiscard]] double ring_steps(const CollectiveKey& key);

}  // namespace forerun
