// Which model chunks a pipeline stage holds, and how micro-batches pass through the stages.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jobs/job.hpp"

namespace forerun {

/// How the model lies on the stages.
/// `looping`: chunk c on stage c % p (plain and interleaved schedules).
/// `v_shape`: two chunks a stage, down and back up: c on stage c, 2p - 1 - c on stage c (zb-v,
/// dualpipe-v); first and last chunk share stage 0.
/// `bidirectional`: two copies of a model of p chunks; stage r holds chunk r of the first and chunk
/// p - 1 - r of the second, whose micro-batches travel the other way (dualpipe).
enum class ChunkPlacement { looping, v_shape, bidirectional };

[[nodiscard]] ChunkPlacement placement_of(Schedule schedule);

/// Chunks that one stage holds: `virtual_pipeline`, but two for dualpipe.
[[nodiscard]] std::int64_t local_chunks(Schedule schedule, std::int64_t virtual_pipeline);

/// Distinct chunks that the model is cut into: stages * chunks, but `stages` when bidirectional.
[[nodiscard]] std::int64_t model_chunks(ChunkPlacement placement,
                                        std::int64_t stages,
                                        std::int64_t chunks);

/// The model chunk, in model order, that is `local` on `stage`.
[[nodiscard]] std::int64_t model_chunk(ChunkPlacement placement,
                                       std::int64_t stages,
                                       std::int64_t stage,
                                       std::int64_t local);

/// A chunk where it lies.
struct ChunkSeat {
  std::int64_t stage = 0;
  std::int64_t local = 0;

  friend bool operator==(const ChunkSeat&, const ChunkSeat&) = default;
};

/// Where a micro-batch goes after a forward pass at `seat`; nothing after the model's last chunk.
[[nodiscard]] std::optional<ChunkSeat> next_seat(ChunkPlacement placement,
                                                 std::int64_t stages,
                                                 std::int64_t chunks,
                                                 ChunkSeat seat);

/// Where it comes from; nothing at the model's first chunk.
[[nodiscard]] std::optional<ChunkSeat> previous_seat(ChunkPlacement placement,
                                                     std::int64_t stages,
                                                     std::int64_t chunks,
                                                     ChunkSeat seat);

/// The same of a job.
[[nodiscard]] std::int64_t model_chunks(const Job& job);

/// Micro-batches that pass through each chunk of a stage: all, but half of them when bidirectional.
[[nodiscard]] std::int64_t micro_batches_per_chunk(const Job& job);

/// The layers of a job's model chunks, in model order.
[[nodiscard]] std::vector<ChunkLayers> chunk_layers(const Job& job);

/// The model chunks of a job's stage, by local chunk.
[[nodiscard]] std::vector<std::int64_t> chunks_of_stage(const Job& job, std::int64_t stage);

/// Micro-batches that Megatron-Core runs through one chunk before the next when it interleaves
/// (`microbatch_group_size_per_vp_stage`; a group is at least p and what remains of m is nothing or
/// at least p): the smallest that serves, p when it divides m. Nothing when m < p.
[[nodiscard]] std::optional<std::int64_t> interleaving_group(std::int64_t stages,
                                                             std::int64_t micro_batches);

}  // namespace forerun
