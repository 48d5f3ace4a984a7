// Memory against the tensor list and the bytes per parameter of the modelling notes, section 5.
#include "estimator/step/memory.hpp"

#include <gtest/gtest.h>

#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Job llama_3_8b_layer_sizes(const ParallelLayout& layout) {
  Job job = small_llama(layout, 4);
  job.model.hidden = 4096;
  job.model.ffn_hidden = 14336;
  job.model.attention.heads = 32;
  job.model.attention.kv_heads = 8;
  job.model.attention.head_size = 128;
  job.model.max_positions = 8192;
  job.recipe.sequence = 1024;
  job.recipe.precision = Precision::bf16;
  return job;
}

// Bytes per token that one middle layer adds: the difference between four and three layers.
double kept_per_token_and_layer(Job job) {
  const double four = kept_bytes(stage_work(job, {8}, 0).chunks[0]).in(unit::byte);
  job.model.layers = 3;
  const double three = kept_bytes(stage_work(job, {8}, 0).chunks[0]).in(unit::byte);
  return (four - three) / 1024.0;
}

// 8h + 2(a + 2g)e + 2ae + (2u + 2)f = 34 h for Llama-3 8B, plus 4a of log-sum-exp and 8 of norm
// statistics (modelling notes 5.2: "34 h bytes/token").
TEST(Memory, KeepsTheTensorListOfLlama3) {
  EXPECT_DOUBLE_EQ(kept_per_token_and_layer(llama_3_8b_layer_sizes({})), 34.0 * 4096 + 4 * 32 + 8);
}

TEST(Memory, SequenceParallelismDividesEveryActivation) {
  EXPECT_DOUBLE_EQ(kept_per_token_and_layer(llama_3_8b_layer_sizes({.tensor = 8})),
                   (34.0 * 4096 + 4 * 32 + 8) / 8.0);
}

TEST(Memory, WithoutSequenceParallelismNormsStayWhole) {
  Job job = llama_3_8b_layer_sizes({.tensor = 8});
  job.recipe.sequence_parallel = SequenceParallel::off;
  EXPECT_DOUBLE_EQ(kept_per_token_and_layer(job),
                   8.0 * 4096 + 8 + ((34.0 - 8.0) * 4096 + 4 * 32) / 8.0);
}

TEST(Memory, FullRecomputationKeepsTheInputOfALayer) {
  Job job = llama_3_8b_layer_sizes({});
  job.recipe.recompute = Recompute::full;
  EXPECT_DOUBLE_EQ(kept_per_token_and_layer(job), 2.0 * 4096);
}

// Modelling notes 5.1, first row: 18 bytes a parameter, 6 + 12 / n with the distributed optimizer.
TEST(Memory, CountsMegatronsBytesPerParameter) {
  for (const std::int64_t data : {std::int64_t{1}, std::int64_t{4}}) {
    const Job job = llama_3_8b_layer_sizes({.data = data});
    const StageWork work = stage_work(job, {8}, 0);
    const StageMemory memory = stage_memory(job, work, host_overheads());
    const auto elements = static_cast<double>(work.weights.elements);
    EXPECT_DOUBLE_EQ((memory.weights + memory.gradients + memory.optimizer_states).in(unit::byte),
                     elements * (6.0 + 12.0 / static_cast<double>(data)));
  }
}

TEST(Memory, PartsSumToTheTotal) {
  const Job job = llama_3_8b_layer_sizes({.tensor = 2, .pipeline = 2});
  const StageMemory m = stage_memory(job, stage_work(job, {8}, 0), gpu_overheads(job.layout));
  EXPECT_DOUBLE_EQ(total_of(m).in(unit::byte),
                   (m.weights + m.gradients + m.optimizer_states + m.activations + m.transient +
                    m.context + m.communication + m.fragmentation)
                       .in(unit::byte));
  EXPECT_GT(m.context.in(unit::byte), 0.0);
}

TEST(Memory, EarlierStagesHoldMoreMicroBatches) {
  Job job = llama_3_8b_layer_sizes({.pipeline = 4});
  const auto activations = [&](std::int64_t stage) {
    return stage_memory(job, stage_work(job, {8}, stage), host_overheads())
        .activations.in(unit::byte);
  };
  // One layer a stage in flight 3 and 2 times; the ends also hold embedding and head.
  EXPECT_NEAR(activations(1) / activations(2), 1.5, 0.01);
  EXPECT_GT(activations(0), activations(1));
}

}  // namespace
}  // namespace forerun
