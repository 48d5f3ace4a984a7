// Shards start from the numbers of the whole matrix, batches from the numbers of the whole batch.
#include "estimator/rehearse/initial_values.hpp"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

TEST(InitialWeight, OfShardsIsThatOfTheWhole) {
  const Job split = small_llama({.tensor = 2});
  const Job whole = small_llama({});
  const auto split_weights = stage_weights(split, 0);
  for (const WeightSpec& full : stage_weights(whole, 0).specs) {
    const auto expected = initial_weight(full, whole, {}, 7);
    for (const WeightSpec& spec : split_weights.specs) {
      if (spec.id != full.id) {
        continue;
      }
      for (std::int64_t rank = 0; rank < 2; ++rank) {
        const auto shard = initial_weight(spec, split, {.tensor = rank}, 7);
        const ShardPlace place = shard_place(spec, split, {.tensor = rank});
        for (const RowBlock& block : place.rows) {
          for (std::int64_t i = 0; i < block.count && block.global_first + i < full.rows; ++i) {
            for (std::int64_t j = 0; j < spec.columns; ++j) {
              const auto from = (block.global_first + i) * full.columns + place.first_column + j;
              const auto at = (block.local_first + i) * spec.columns + j;
              ASSERT_EQ(shard[static_cast<std::size_t>(at)],
                        expected[static_cast<std::size_t>(from)]);
            }
          }
        }
      }
    }
  }
}

TEST(InitialWeight, HasGpt2sStandardDeviation) {
  const Job job = small_llama({});
  for (const WeightSpec& spec : stage_weights(job, 0).specs) {
    if (spec.id.name != TensorName::w_up) {
      continue;
    }
    const auto values = initial_weight(spec, job, {}, 1);
    double square = 0.0;
    for (const float value : values) {
      square += static_cast<double>(value) * static_cast<double>(value);
    }
    EXPECT_NEAR(std::sqrt(square / static_cast<double>(values.size())), 0.02, 0.0005);
  }
}

TEST(TokenBatch, TargetsAreTheTokensThatFollow) {
  Job job = small_llama({});
  job.recipe.micro_batch = 2;
  const TokenBatch batch = token_batch(job, 3, 1, 5);
  ASSERT_EQ(batch.tokens.size(), 64U);
  for (std::size_t position = 0; position + 1 < 32; ++position) {
    for (std::size_t sequence = 0; sequence < 2; ++sequence) {
      EXPECT_EQ(batch.targets[position * 2 + sequence],
                batch.tokens[(position + 1) * 2 + sequence]);
    }
  }
  for (const std::int32_t token : batch.tokens) {
    EXPECT_GE(token, 0);
    EXPECT_LT(token, 1000);
  }
}

TEST(TokenBatch, DiffersBetweenStepsAndMicroBatches) {
  const Job job = small_llama({});
  EXPECT_NE(token_batch(job, 0, 0, 1).tokens, token_batch(job, 1, 0, 1).tokens);
  EXPECT_NE(token_batch(job, 0, 0, 1).tokens, token_batch(job, 0, 1, 1).tokens);
}

}  // namespace
}  // namespace forerun
