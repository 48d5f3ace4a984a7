// What one rank of a stage holds in memory at its peak instant, by kind.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "estimator/step/activation_peak.hpp"
#include "estimator/step/part_work.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/work_builder.hpp"
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
  Bytes gradients;  ///< with what stands in for them in autograd (Software::keeps_wgrad_stand_ins)
  Bytes optimizer_states;
  Bytes activations;  ///< kept from forward to backward, all micro-batches in flight
  Bytes transient;    ///< what one pass holds beyond that
  Bytes context;
  Bytes communication;
  Bytes fragmentation;
  Bytes host;  ///< what lies in the host's memory instead; not in the total
};

[[nodiscard]] Bytes total_of(const StageMemory& memory);

/// Activations that one micro-batch keeps for the backward pass of a chunk: the tensor list of
/// modelling.md 5.2, counted from the work list itself.
[[nodiscard]] Bytes kept_bytes(const ChunkWork& chunk);

/// The same of one part.
[[nodiscard]] Bytes kept_bytes(const PartWork& part);

/// Walks the stage's program and takes the instant at which most is alive. Of a job that offloads
/// no activations.
[[nodiscard]] StageMemory stage_memory(const Job& job,
                                       const StageWork& work,
                                       const MemoryOverheads& overheads);

/// What chunks hold, from the distinct parts of a job: a chunk keeps their sum and needs the
/// largest transient. Job and works must outlive it.
class ChunkMemories {
 public:
  ChunkMemories(const Job& job, PartWorks& works) : job_(job), works_(works) {}

  [[nodiscard]] ChunkMemory chunk(const ChunkContent& content);

 private:
  const ChunkMemory& of(PartKind kind, std::int64_t layer);
  const ChunkMemory& alike(PartKind kind, std::int64_t layer);

  const Job& job_;
  PartWorks& works_;
  std::map<PartKey, ChunkMemory> parts_;
  std::array<std::vector<const ChunkMemory*>, 2> by_layer_;  ///< of `parts_`: [recomputed][layer]
};

/// Weights, gradients and optimizer states of a stage with these weights, on the device and on the
/// host; nothing else. Of what is offloaded two layers' worth stays: one at work, one on its way.
[[nodiscard]] StageMemory state_memory(const Job& job, const StageWeights& weights);

/// The same with activations at their peak and what the runtime takes.
[[nodiscard]] StageMemory stage_memory(const StageMemory& state,
                                       const ActivationPeak& peak,
                                       const MemoryOverheads& overheads);

/// The same of every stage, from the distinct parts of the job instead of its whole work list.
[[nodiscard]] std::vector<StageMemory> step_memory(const Job& job,
                                                   const WorkBuilder& builder,
                                                   const MemoryOverheads& overheads);

}  // namespace forerun
