// Several communicators of the same ranks: what differs between them is not the collective's doing.
#pragma once

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/process_grid.hpp"

namespace forerun {

/// Splits `world` into the groups of one kind, several times over. Collective over the world, freed
/// with this object; a rank in no group of the kind gets a group of one.
class ProbeGroups {
 public:
  /// Placement of buffers and connections changes latency and bandwidth by more than the noise
  /// within one communicator; three show by how much (modelling.md 10.4).
  static constexpr int repetitions = 3;

  ProbeGroups(Communicator& world, const ProcessGrid& grid, GroupKind kind);

  [[nodiscard]] const std::vector<std::unique_ptr<Communicator>>& all() const { return groups_; }

 private:
  std::vector<std::unique_ptr<Communicator>> groups_;
};

/// The rank's group of this kind; the number of groups when it is in none.
[[nodiscard]] int color_of(const ProcessGrid& grid, GroupKind kind, int rank);

}  // namespace forerun
