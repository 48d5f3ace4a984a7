// Where model chunks lie on the stages, and the groups in which micro-batches are interleaved.
#include "jobs/chunk_placement.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

using testing::ElementsAre;

Job job_of(Schedule schedule, std::int64_t pipeline, std::int64_t virtual_pipeline) {
  Job job;
  job.model.layers = 16;
  job.recipe.schedule = schedule;
  job.layout.pipeline = pipeline;
  job.layout.virtual_pipeline = virtual_pipeline;
  return job;
}

TEST(ChunkPlacement, LoopsOverTheStages) {
  const Job job = job_of(Schedule::interleaved, 4, 3);
  EXPECT_THAT(chunks_of_stage(job, 0), ElementsAre(0, 4, 8));
  EXPECT_THAT(chunks_of_stage(job, 3), ElementsAre(3, 7, 11));
}

TEST(ChunkPlacement, FoldsTheModelInAV) {
  const Job job = job_of(Schedule::zb_v, 4, 2);
  EXPECT_THAT(chunks_of_stage(job, 0), ElementsAre(0, 7));
  EXPECT_THAT(chunks_of_stage(job, 3), ElementsAre(3, 4));
}

TEST(ChunkPlacement, KeepsTwoCopiesInOppositeDirections) {
  const Job job = job_of(Schedule::dualpipe, 4, 1);
  EXPECT_THAT(chunks_of_stage(job, 0), ElementsAre(0, 3));
  EXPECT_THAT(chunks_of_stage(job, 2), ElementsAre(2, 1));
  EXPECT_EQ(model_chunks(job), 4);
  EXPECT_EQ(chunk_layers(job).size(), 4U);
}

TEST(ChunkPlacement, WalksTheModelInItsOrder) {
  for (const ChunkPlacement placement : {ChunkPlacement::looping, ChunkPlacement::v_shape}) {
    std::optional<ChunkSeat> seat = ChunkSeat{0, 0};
    for (std::int64_t chunk = 0; chunk < 10; ++chunk) {
      ASSERT_TRUE(seat);
      EXPECT_EQ(model_chunk(placement, 5, seat->stage, seat->local), chunk);
      const auto next = next_seat(placement, 5, 2, *seat);
      if (next) {
        EXPECT_EQ(previous_seat(placement, 5, 2, *next), seat);
      }
      seat = next;
    }
    EXPECT_FALSE(seat);
  }
}

TEST(ChunkPlacement, TheSecondCopyRunsFromTheLastStage) {
  EXPECT_FALSE(previous_seat(ChunkPlacement::bidirectional, 4, 2, {3, 1}));
  EXPECT_EQ(next_seat(ChunkPlacement::bidirectional, 4, 2, {3, 1}), (ChunkSeat{2, 1}));
  EXPECT_FALSE(next_seat(ChunkPlacement::bidirectional, 4, 2, {0, 1}));
  EXPECT_FALSE(next_seat(ChunkPlacement::bidirectional, 4, 2, {3, 0}));
}

TEST(InterleavingGroup, IsTheNumberOfStagesWhereThatDivides) {
  EXPECT_EQ(interleaving_group(4, 4), 4);
  EXPECT_EQ(interleaving_group(4, 64), 4);
}

TEST(InterleavingGroup, LeavesNothingOrAFullPipeline) {
  EXPECT_EQ(interleaving_group(4, 10), 5);  // 5 + 5; 4 would leave 2
  EXPECT_EQ(interleaving_group(4, 11), 6);  // 6 + 5; 4 would leave 3, 5 would leave 1
  EXPECT_EQ(interleaving_group(4, 7), 7);
}

TEST(InterleavingGroup, NeedsAPipelineful) {
  EXPECT_EQ(interleaving_group(4, 3), std::nullopt);
}

}  // namespace
}  // namespace forerun
