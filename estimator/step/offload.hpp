// What offloading moves between a device and the host's memory in one step, and how long the host
// link takes for it (modelling.md 6). Copy engines move it: it slows no kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "estimator/step/stage_weights.hpp"
#include "jobs/job.hpp"
#include "topologies/host_memory.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Of one pass of one micro-batch through a part.
struct PassTraffic {
  Bytes in;   ///< to be there when the pass begins
  Bytes out;  ///< leaves when it has ended
};

struct PartTraffic {
  PassTraffic forward;
  PassTraffic backward;
  /// Gradients that are reduced after every micro-batch and kept by the host: they leave, and from
  /// the second micro-batch on their sum came in before, to be added to on the device (DeepSpeed,
  /// zero/stage3.py, partition_grads).
  Bytes gradients;
};

/// Of one layer that keeps `kept` bytes for its backward pass; embedding and head stay.
[[nodiscard]] PartTraffic layer_traffic(const Job& job, std::int64_t layer, Bytes kept);

/// A pass over parts in their order, and what the host link does beside it. Links and kernels take
/// turns layer by layer with a second buffer: while a part computes, the one before it leaves and
/// the one behind it comes in, both directions at once; passes follow each other without a gap.
class HostTransfers {
 public:
  explicit HostTransfers(const HostLink& link) : link_(link) {}

  void add(const PassTraffic& traffic, Seconds compute, std::int64_t times);

  /// By how much the pass lasts longer than its computation.
  [[nodiscard]] Seconds exposed() const;
  /// Of all bytes, one after the other: where nothing overlaps.
  [[nodiscard]] Seconds alone() const;

 private:
  struct Slot {
    Seconds compute;
    Seconds in;
    Seconds out;
    std::int64_t times = 1;  ///< equal ones in a row
  };

  HostLink link_;
  std::vector<Slot> slots_;
};

/// What a stage moves when its passes are done.
struct TailOffload {
  HostLink link;
  Bytes gradients;              ///< out
  bool gradients_hide = false;  ///< leave bucket by bucket beside the last backward pass
  Bytes state_in;               ///< beside the kernels of the update, and out again
  Bytes state_out;
  Bytes weights_in;  ///< updated, behind the host's update
  Bytes weights_out;
  bool updates_on_host = false;
};

/// Nothing where nothing of it is offloaded.
[[nodiscard]] std::optional<TailOffload> tail_offload(const Job& job,
                                                      const StageWeights& weights,
                                                      const HostLink& link);

/// Whether the host's cores update the weights.
[[nodiscard]] bool updates_on_host(const Recipe& recipe);

/// Whether the host keeps gradients that are reduced after every micro-batch.
[[nodiscard]] bool host_keeps_gradients(const Job& job);

/// Trained elements of a stage's layers, and of the largest of them; experts apart.
struct LayerElements {
  std::int64_t all = 0;
  std::int64_t all_experts = 0;
  std::int64_t largest = 0;
  std::int64_t largest_experts = 0;
};

[[nodiscard]] LayerElements layer_elements(const StageWeights& weights);

/// Bytes of the optimizer's state for one element: moments and, unless weights are updated in
/// place, their fp32 master copy.
[[nodiscard]] Bytes state_bytes(const Recipe& recipe);

/// Bytes of one element of an accumulated gradient.
[[nodiscard]] Bytes gradient_bytes(const Recipe& recipe);

}  // namespace forerun
