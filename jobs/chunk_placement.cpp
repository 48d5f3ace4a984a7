#include "jobs/chunk_placement.hpp"

namespace forerun {

ChunkPlacement placement_of(Schedule schedule) {
  switch (schedule) {
    case Schedule::zb_v:
    case Schedule::dualpipe_v:
      return ChunkPlacement::v_shape;
    case Schedule::dualpipe:
      return ChunkPlacement::bidirectional;
    case Schedule::gpipe:
    case Schedule::one_f_one_b:
    case Schedule::interleaved:
    case Schedule::breadth_first:
    case Schedule::zb_h1:
    case Schedule::zb_h2:
      return ChunkPlacement::looping;
  }
  return ChunkPlacement::looping;
}

std::int64_t local_chunks(Schedule schedule, std::int64_t virtual_pipeline) {
  return placement_of(schedule) == ChunkPlacement::bidirectional ? 2 : virtual_pipeline;
}

std::int64_t model_chunks(ChunkPlacement placement, std::int64_t stages, std::int64_t chunks) {
  return placement == ChunkPlacement::bidirectional ? stages : stages * chunks;
}

std::int64_t model_chunk(ChunkPlacement placement,
                         std::int64_t stages,
                         std::int64_t stage,
                         std::int64_t local) {
  switch (placement) {
    case ChunkPlacement::looping:
      return local * stages + stage;
    case ChunkPlacement::v_shape:
      return local == 0 ? stage : 2 * stages - 1 - stage;
    case ChunkPlacement::bidirectional:
      return local == 0 ? stage : stages - 1 - stage;
  }
  return 0;
}

std::optional<ChunkSeat> next_seat(ChunkPlacement placement,
                                   std::int64_t stages,
                                   std::int64_t chunks,
                                   ChunkSeat seat) {
  const bool is_last = seat.stage == stages - 1;
  if (placement == ChunkPlacement::looping) {
    if (!is_last) {
      return ChunkSeat{seat.stage + 1, seat.local};
    }
    return seat.local + 1 < chunks ? std::optional(ChunkSeat{0, seat.local + 1}) : std::nullopt;
  }
  if (seat.local == 1) {  // back towards stage 0
    return seat.stage > 0 ? std::optional(ChunkSeat{seat.stage - 1, 1}) : std::nullopt;
  }
  if (!is_last) {
    return ChunkSeat{seat.stage + 1, 0};
  }
  return placement == ChunkPlacement::v_shape ? std::optional(ChunkSeat{seat.stage, 1})
                                              : std::nullopt;
}

std::optional<ChunkSeat> previous_seat(ChunkPlacement placement,
                                       std::int64_t stages,
                                       std::int64_t chunks,
                                       ChunkSeat seat) {
  const bool is_last = seat.stage == stages - 1;
  if (placement == ChunkPlacement::looping) {
    if (seat.stage > 0) {
      return ChunkSeat{seat.stage - 1, seat.local};
    }
    return seat.local > 0 && seat.local < chunks
               ? std::optional(ChunkSeat{stages - 1, seat.local - 1})
               : std::nullopt;
  }
  if (seat.local == 0) {
    return seat.stage > 0 ? std::optional(ChunkSeat{seat.stage - 1, 0}) : std::nullopt;
  }
  if (!is_last) {
    return ChunkSeat{seat.stage + 1, 1};
  }
  return placement == ChunkPlacement::v_shape ? std::optional(ChunkSeat{seat.stage, 0})
                                              : std::nullopt;
}

std::int64_t model_chunks(const Job& job) {
  const Schedule schedule = schedule_of(job);
  return model_chunks(placement_of(schedule),
                      job.layout.pipeline,
                      local_chunks(schedule, job.layout.virtual_pipeline));
}

std::int64_t micro_batches_per_chunk(const Job& job) {
  const bool shares = placement_of(schedule_of(job)) == ChunkPlacement::bidirectional;
  return micro_batches(job) / (shares ? 2 : 1);
}

std::vector<ChunkLayers> chunk_layers(const Job& job) {
  return assign_layers(job.model.layers, model_chunks(job), job.recipe.stage_split);
}

std::vector<std::int64_t> chunks_of_stage(const Job& job, std::int64_t stage) {
  const Schedule schedule = schedule_of(job);
  const std::int64_t count = local_chunks(schedule, job.layout.virtual_pipeline);
  std::vector<std::int64_t> chunks;
  chunks.reserve(static_cast<std::size_t>(count));
  for (std::int64_t local = 0; local < count; ++local) {
    chunks.push_back(model_chunk(placement_of(schedule), job.layout.pipeline, stage, local));
  }
  return chunks;
}

std::optional<std::int64_t> interleaving_group(std::int64_t stages, std::int64_t micro_batches) {
  for (std::int64_t group = stages; group <= micro_batches; ++group) {
    const std::int64_t rest = micro_batches % group;
    if (rest == 0 || rest >= stages) {
      return group;
    }
  }
  return std::nullopt;
}

}  // namespace forerun
