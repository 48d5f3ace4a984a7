// Weights of stages: they add up to the model, and shards tile whole matrices.
#include "estimator/step/stage_weights.hpp"

#include <set>

#include <gtest/gtest.h>

#include "jobs/parameter_count.hpp"
#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

std::int64_t parameters_of_all_stages(const Job& job) {
  std::int64_t sum = 0;
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    sum += stage_weights(job, stage).parameters;
  }
  return sum;
}

// Rows that padding the vocabulary to 128 * tp adds to each table.
std::int64_t padding(const Job& job, std::int64_t tables) {
  return tables *
         (padded_vocabulary(job.model.vocabulary, job.layout.tensor) - job.model.vocabulary) *
         job.model.hidden;
}

TEST(StageWeights, OfOneRankAreTheModel) {
  const Job llama = small_llama({});
  EXPECT_EQ(parameters_of_all_stages(llama),
            count_parameters(llama.model).total + padding(llama, 2));
  const Job gpt2 = small_gpt2({});
  EXPECT_EQ(parameters_of_all_stages(gpt2), count_parameters(gpt2.model).total + padding(gpt2, 1));
}

TEST(StageWeights, OfEveryFamilyAreTheModel) {
  for (const Job& job : small_variants({})) {
    const std::int64_t padded_rows = padding(job, 1) / job.model.hidden;
    EXPECT_EQ(parameters_of_all_stages(job),
              count_parameters(job.model).total + padding(job, job.model.tied_embeddings ? 1 : 2) +
                  (job.model.head_bias ? padded_rows : 0))
        << job.model.name;
  }
}

// Two KV heads on four ranks: keys and values of one head, 2 x 8 rows of 64, and their biases, in
// four layers; the exchange has room for both heads.
TEST(StageWeights, ShareKeyValueHeadsThatAreFewerThanRanks) {
  const StageWeights weights = stage_weights(small_qwen2({.tensor = 4}), 0);
  ASSERT_EQ(weights.shared_rows.size(), 8U);
  EXPECT_EQ(weights.exchange_elements, 4 * 2 * (16 * 64 + 16));
  EXPECT_TRUE(stage_weights(small_qwen2({.tensor = 2}), 0).shared_rows.empty());
}

TEST(StageWeights, OfAllStagesAreTheModelAndACopyOfTiedEmbeddings) {
  const Job llama = small_llama({.pipeline = 4});
  EXPECT_EQ(parameters_of_all_stages(llama),
            count_parameters(llama.model).total + padding(llama, 2));
  const Job gpt2 = small_gpt2({.pipeline = 4});
  EXPECT_EQ(parameters_of_all_stages(gpt2),
            count_parameters(gpt2.model).total + padding(gpt2, 2) +
                gpt2.model.vocabulary * gpt2.model.hidden);
}

TEST(StageWeights, OverlapNowhereInTheFlatBuffer) {
  const StageWeights weights = stage_weights(small_gpt2({.tensor = 2, .data = 2}), 0);
  std::int64_t end = 0;
  for (const WeightSpec& spec : weights.specs) {
    EXPECT_GE(spec.offset, end);
    EXPECT_EQ(spec.offset % 16, 0);
    end = spec.offset + spec.rows * spec.columns;
  }
  EXPECT_GE(weights.elements, end);
  EXPECT_EQ(weights.elements % 32, 0);
}

TEST(ShardPlace, TilesEveryMatrixExactlyOnce) {
  const Job job = small_llama({.tensor = 4});
  for (const WeightSpec& spec : stage_weights(job, 0).specs) {
    if (spec.split == Split::replicated) {
      continue;
    }
    std::set<std::pair<std::int64_t, std::int64_t>> cells;
    for (std::int64_t rank = 0; rank < 4; ++rank) {
      const ShardPlace place = shard_place(spec, job, {.tensor = rank});
      for (const RowBlock& block : place.rows) {
        for (std::int64_t i = 0; i < block.count; ++i) {
          EXPECT_TRUE(cells.emplace(block.global_first + i, place.first_column).second);
        }
      }
    }
    const std::int64_t column_shards = spec.split == Split::columns ? 4 : 1;
    const std::int64_t row_shards = spec.split == Split::columns ? 1 : 4;
    EXPECT_EQ(std::ssize(cells), row_shards * column_shards * spec.rows);
  }
}

TEST(StageWeights, SumOverTheTensorGroupOnlyWhatItsRanksSawInParts) {
  Job job = small_llama({.tensor = 2});
  // Two norms of 64 in each of four layers and the final norm.
  EXPECT_EQ(stage_weights(job, 0).tensor_summed_elements, 9 * 64);
  job.recipe.sequence_parallel = SequenceParallel::off;
  EXPECT_EQ(stage_weights(job, 0).tensor_summed_elements, 0);
  job.model.attention.qk_norm = true;
  // The norms of query and key heads see a rank's own heads either way; 8 values padded to 16.
  EXPECT_EQ(stage_weights(job, 0).tensor_summed_elements, 4 * 2 * 16);
}

}  // namespace
}  // namespace forerun
