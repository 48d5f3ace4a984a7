// What a forward or backward pass of one model chunk takes, its parts run together.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "estimator/step/offload.hpp"
#include "estimator/step/part_cost.hpp"

namespace forerun {

/// One pass of one micro-batch through a chunk.
struct ChunkPass {
  PassCost cost;
  Seconds data_parallel;  ///< ZeRO-2 and 3: what no compute hides
  Seconds host;           ///< the device waits for launches
  Seconds offload;        ///< the device waits for the host link

  [[nodiscard]] Seconds total() const { return cost.total() + data_parallel + host + offload; }

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
/// are captured in graphs or compiled, or not known. `link`: what offloading goes over.
/// `waits`: it starts a kernel when the one before is done (Software::waits_for_kernels).
struct HostCost {
  Seconds per_launch;
  HostLink link = {};
  bool waits = false;
  bool is_assumed = false;  ///< not calibrated on steps
};

/// Prices the distinct parts of a job once; chunks are sums of them. Job and works must outlive it.
class ChunkCosts {
 public:
  ChunkCosts(const Job& job, PartWorks& works, Pricing& pricing, HostCost host);

  [[nodiscard]] ChunkCost chunk(const ChunkContent& content);

  [[nodiscard]] const HostLink& link() const { return host_.link; }

 private:
  struct PricedPart {
    PartCost cost;
    PartTraffic traffic;
  };

  struct Run {
    const PricedPart* part;
    std::int64_t count;
  };

  /// Which pass of a part, and what of its traffic goes with it.
  struct Direction {
    PassCost PartCost::*cost = nullptr;
    bool is_forward = false;
    bool brings = false;  ///< what a backward pass needs
    bool reduces_gradients = false;
  };

  const PricedPart& part(PartKind kind, std::int64_t layer);
  const PricedPart& priced(PartKind kind, std::int64_t layer);
  /// `runs` in the order of the pass.
  [[nodiscard]] ChunkPass pass(const std::vector<Run>& runs, const Direction& direction) const;
  [[nodiscard]] static Seconds elapsed(const std::vector<Run>& runs, const Direction& direction);
  void finish(ChunkPass& pass, Seconds collectives, Seconds elapsed) const;
  [[nodiscard]] PassTraffic traffic_of(const PartTraffic& part, const Direction& direction) const;
  void add_transfers(ChunkPass& pass,
                     const std::vector<Run>& runs,
                     const Direction& direction) const;

  const Job& job_;
  PartWorks& works_;
  Pricing& pricing_;
  HostCost host_;
  std::map<PartKey, PricedPart> parts_;
  std::array<std::vector<const PricedPart*>, 2> by_layer_;  ///< of `parts_`: [is recomputed][layer]
};

}  // namespace forerun
