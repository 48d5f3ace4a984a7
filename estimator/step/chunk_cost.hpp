// What a forward or backward pass of one model chunk takes, its parts run together.
#pragma once

#include <map>
#include <vector>

#include "estimator/step/part_cost.hpp"

namespace forerun {

/// One pass of one micro-batch through a chunk.
struct ChunkPass {
  PassCost cost;
  Seconds data_parallel;  ///< ZeRO-2 and 3: what no compute hides
  Seconds host;           ///< the device waits for launches

  [[nodiscard]] Seconds total() const { return cost.total() + data_parallel + host; }

  ChunkPass& operator+=(const ChunkPass& other);
  friend ChunkPass operator*(double count, ChunkPass pass);
};

/// Where the schedule splits the backward pass, `backward` is the sum of its parts.
struct ChunkCost {
  ChunkPass forward;
  ChunkPass backward;
  ChunkPass backward_weight;  ///< where it splits: what only the update needs
};

/// How the host starts work: one kernel after the other, each taking this long; 0 where launches
/// are captured in graphs or compiled, or not known.
struct HostCost {
  Seconds per_launch;
};

/// Prices the distinct parts of a job once; chunks are sums of them.
class ChunkCosts {
 public:
  ChunkCosts(const Job& job, const Placement& placement, Pricing& pricing, HostCost host);

  [[nodiscard]] ChunkCost chunk(ChunkLayers layers, bool holds_embedding, bool holds_head);

 private:
  struct Run {
    const PartCost* cost;
    std::int64_t count;
  };

  const PartCost& part(PartKind kind, std::int64_t layer);
  /// `runs` in the order of the pass.
  [[nodiscard]] ChunkPass pass(const std::vector<Run>& runs, PassCost PartCost::*direction) const;
  void finish(ChunkPass& pass, Seconds collectives, Seconds elapsed) const;

  const Job& job_;
  WorkBuilder builder_;
  Pricing& pricing_;
  HostCost host_;
  std::map<PartKey, PartCost> parts_;
};

}  // namespace forerun
