// How layers are cut into chunks: evenly, with the ends counted, as they are listed.
#include "jobs/stage_split.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forerun {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

std::vector<std::int64_t> counts(std::int64_t layers,
                                 std::int64_t chunks,
                                 const StageSplit& split = {}) {
  std::vector<std::int64_t> result;
  for (const ChunkLayers& chunk : assign_layers(layers, chunks, split)) {
    result.push_back(chunk.count);
  }
  return result;
}

StageSplit split_of(const char* text) {
  return stage_split_from(text).value();
}

TEST(AssignLayers, SplitsEvenlyWhatDivides) {
  EXPECT_THAT(counts(8, 4), ElementsAre(2, 2, 2, 2));
}

TEST(AssignLayers, GivesAllLayersToOneChunk) {
  EXPECT_THAT(counts(7, 1), ElementsAre(7));
}

TEST(AssignLayers, CountsEmbeddingAndHeadOf126LayersOn16Chunks) {
  EXPECT_THAT(counts(126, 16), ElementsAre(7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 7));
}

TEST(AssignLayers, PutsEmbeddingAndHeadAloneFor126LayersOn128Chunks) {
  const auto chunks = counts(126, 128);
  EXPECT_EQ(chunks.front(), 0);
  EXPECT_EQ(chunks.back(), 0);
  EXPECT_EQ(std::vector<std::int64_t>(chunks.begin() + 1, chunks.end() - 1),
            std::vector<std::int64_t>(126, 1));
}

TEST(AssignLayers, GivesTheFirstChunksOneMoreOtherwise) {
  EXPECT_THAT(counts(61, 4), ElementsAre(16, 15, 15, 15));
}

TEST(AssignLayers, PrefersAnEvenSplitToCountingTheEnds) {
  EXPECT_THAT(counts(2, 2), ElementsAre(1, 1));
}

TEST(AssignLayers, CoversEveryLayerOnceForAnyNumberOfChunks) {
  for (std::int64_t chunks = 1; chunks <= 128; ++chunks) {
    std::int64_t next = 0;
    for (const ChunkLayers& chunk : assign_layers(126, chunks)) {
      EXPECT_EQ(chunk.first, next);
      next += chunk.count;
    }
    EXPECT_EQ(next, 126) << chunks;
  }
}

// 10 layers, the embedding as one more and the head as two: 13 on 4 chunks are 4, 3, 3, 3, of which
// the ends are taken off again.
TEST(AssignLayers, CountsTheEndsAsItIsTold) {
  EXPECT_THAT(counts(10, 4, split_of("ends:1+2")), ElementsAre(3, 3, 3, 1));
  EXPECT_EQ(counts(126, 16, split_of("ends:1+1")), counts(126, 16));
  EXPECT_THAT(counts(126, 16, split_of("ends:0+0")),
              ElementsAre(8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 7, 7));
}

TEST(AssignLayers, TakesAListAsItStands) {
  const auto chunks = assign_layers(9, 3, split_of("2+4+3"));
  EXPECT_THAT(chunks, ElementsAre(ChunkLayers{0, 2}, ChunkLayers{2, 4}, ChunkLayers{6, 3}));
}

TEST(StageSplitText, GoesBothWays) {
  for (const char* text : {"even", "ends:0+0", "ends:1+3", "7", "3+2+2+0"}) {
    EXPECT_EQ(text_of(split_of(text)), text);
  }
}

TEST(StageSplitText, RefusesOthers) {
  for (const char* text : {"",
                           "evenly",
                           "ends:",
                           "ends:1",
                           "ends:1+2+3",
                           "3+",
                           "+3",
                           "3++4",
                           "-1",

                           "ends:1+x",
                           "99999999999999999999",
                           "3 + 4"}) {
    EXPECT_EQ(stage_split_from(text), std::nullopt) << text;
  }
}

TEST(UnsuitableSplit, IsNamed) {
  EXPECT_EQ(unsuitable_because(split_of("2+4+3"), 9, 3), std::nullopt);
  EXPECT_EQ(unsuitable_because(split_of("ends:1+1"), 9, 3), std::nullopt);
  EXPECT_THAT(unsuitable_because(split_of("2+4+3"), 9, 4),
              Optional(HasSubstr("names 3 chunks, the pipeline has 4")));
  EXPECT_THAT(unsuitable_because(split_of("2+4+3"), 10, 3),
              Optional(HasSubstr("holds 9 layers, the model has 10")));
  EXPECT_THAT(unsuitable_because(split_of("ends:0+5"), 4, 3),
              Optional(HasSubstr("ends:0+5 leaves less than no layer to an end: 3+3+-2")));
}

}  // namespace
}  // namespace forerun
