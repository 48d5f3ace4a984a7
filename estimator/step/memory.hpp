// What one rank of a stage holds in memory at its peak instant, by kind.
#pragma once

#include <cstdint>

#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/job.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What a device's runtime takes besides tensors.
struct MemoryOverheads {
  Bytes context;                      ///< driver context and loaded kernels
  Bytes communication;                ///< communicator buffers
  double fragmentation_fraction = 0;  ///< of tensors: lost to the allocator
};

/// None for a CPU; for a GPU what modelling.md 5.3 lists with its sources.
[[nodiscard]] MemoryOverheads host_overheads();
[[nodiscard]] MemoryOverheads gpu_overheads(const ParallelLayout& layout);

struct StageMemory {
  Bytes weights;
  Bytes gradients;
  Bytes optimizer_states;
  Bytes activations;  ///< kept from forward to backward, all micro-batches in flight
  Bytes transient;    ///< what one pass holds beyond that
  Bytes context;
  Bytes communication;
  Bytes fragmentation;
};

[[nodiscard]] Bytes total_of(const StageMemory& memory);

/// Activations that one micro-batch keeps for the backward pass of a chunk: the tensor list of
/// modelling.md 5.2, counted from the work list itself.
[[nodiscard]] Bytes kept_bytes(const ChunkWork& chunk);

/// Walks the stage's program and takes the instant at which most is alive.
[[nodiscard]] StageMemory stage_memory(const Job& job,
                                       const StageWork& work,
                                       const MemoryOverheads& overheads);

}  // namespace forerun
