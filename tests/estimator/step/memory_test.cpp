// Memory against the tensor list and the bytes per parameter of the modelling notes, section 5.
#include "estimator/step/memory.hpp"

#include <cmath>

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
  job.recipe.recompute.kind = Recompute::full;
  EXPECT_DOUBLE_EQ(kept_per_token_and_layer(job), 2.0 * 4096);
}

// What a stage holds follows from what it recomputes itself: under 1F1B with plenty of
// micro-batches stage r keeps p - r of them.
TEST(Memory, EachStageHoldsWhatItsOwnRecomputationLeaves) {
  for (const Schedule schedule :
       {Schedule::one_f_one_b, Schedule::interleaved, Schedule::zb_v, Schedule::dualpipe}) {
    Job job = llama_3_8b_layer_sizes({.pipeline = 2});
    job.model.layers = 8;
    job.recipe.schedule = schedule;
    job.layout.virtual_pipeline =
        schedule == Schedule::interleaved || schedule == Schedule::zb_v ? 2 : 1;
    const WorkBuilder builder(job, {8});
    const auto memory_with = [&](const char* recompute) {
      job.recipe.recompute = *recompute_policy_from(recompute);
      EXPECT_FALSE(illegal_because(job)) << recompute;
      return step_memory(job, builder, host_overheads());
    };
    const auto mixed = memory_with("block:2+1");
    EXPECT_EQ(total_of(mixed[0]), total_of(memory_with("block:2")[0]));
    EXPECT_EQ(total_of(mixed[1]), total_of(memory_with("block:1")[1]));
    EXPECT_LT(total_of(mixed[0]), total_of(memory_with("block:1")[0]));
    // Counted from the whole work list of a stage it is the same, but for small tensors that parts
    // hand to each other; where the backward pass is split, transient tensors are counted
    // elsewhere.
    if (schedule == Schedule::zb_v || schedule == Schedule::dualpipe) {
      continue;
    }
    job.recipe.recompute = *recompute_policy_from("block:2+1");
    for (std::int64_t stage = 0; stage < 2; ++stage) {
      const Bytes whole =
          total_of(stage_memory(job, stage_work(job, {8}, stage), host_overheads()));
      EXPECT_NEAR(whole / total_of(mixed[static_cast<std::size_t>(stage)]), 1.0, 1e-4);
    }
  }
}

// By hand: stage 0 of two keeps two micro-batches, stage 1 one. Four layers are two a stage, of
// 34 h + 4a + 8 bytes a token (above), 2 h where they are recomputed.
TEST(Memory, KeepsWhatEveryStageDoesNotRepeat) {
  Job job = llama_3_8b_layer_sizes({.pipeline = 2});
  job.recipe.recompute = *recompute_policy_from("block:1+0");
  const double layer = 34.0 * 4096 + 4 * 32 + 8;
  const auto kept = [&](std::int64_t stage) {
    return kept_bytes(stage_work(job, {8}, stage).chunks[0]).in(unit::byte) / 1024.0;
  };
  const double mixed_0 = kept(0);
  const double mixed_1 = kept(1);
  job.recipe.recompute = {};
  EXPECT_DOUBLE_EQ(mixed_0 - kept(0), 2.0 * 4096 - layer);
  EXPECT_DOUBLE_EQ(mixed_1, kept(1));
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

// Megatron-Core with TransformerEngine: two bytes an element for one matrix of every shape. tp = 2,
// pp = 2: qkv 3072 x 4096, output 4096 x 2048, up 14336 x 4096, down 4096 x 7168; the last stage
// also the head. SimuMax's measured peaks need them: without, its Llama rows were 2 to 4 % low.
TEST(Memory, HoldsAStandInGradientOfEveryShape) {
  const auto more = [](std::int64_t stage, bool ties) {
    Job job = llama_3_8b_layer_sizes({.tensor = 2, .pipeline = 2});
    job.model.tied_embeddings = ties;
    const StageWork work = stage_work(job, {8}, stage);
    const Bytes without = stage_memory(job, work, host_overheads()).gradients;
    job.recipe.software.keeps_wgrad_stand_ins = true;
    return (stage_memory(job, work, host_overheads()).gradients - without).in(unit::byte);
  };
  const double layers = 2.0 * (3072.0 * 4096 + 4096.0 * 2048 + 14336.0 * 4096 + 4096.0 * 7168);
  const Job job = llama_3_8b_layer_sizes({.tensor = 2, .pipeline = 2});
  const auto head = static_cast<double>(2 * embedding_elements(job));
  EXPECT_DOUBLE_EQ(more(0, false), layers);
  EXPECT_DOUBLE_EQ(more(1, false), layers + head);
  EXPECT_DOUBLE_EQ(more(0, true), layers);
  EXPECT_DOUBLE_EQ(more(1, true), layers + head);
}

// What the optimizer and the zeroing of gradients work on is what the memory counts: 12 bytes an
// element of master and moments, 4 of a gradient.
TEST(Memory, HoldsTheStateThatTheTailWorksOn) {
  for (const std::int64_t pipeline : {std::int64_t{1}, std::int64_t{2}}) {
    for (const ZeroStage zero :
         {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::parameters}) {
      for (const std::int64_t group : {std::int64_t{0}, std::int64_t{2}}) {
        Job job = llama_3_8b_layer_sizes({.pipeline = pipeline, .data = 4});
        job.recipe.zero = zero;
        job.recipe.shard_group = zero == ZeroStage::parameters ? group : 0;
        const StageWork work = stage_work(job, {8}, 0);
        const StageMemory memory = stage_memory(job, work, host_overheads());
        for (const WorkItem& item : work.tail) {
          const auto* kernel = std::get_if<KernelWork>(&item.work);
          if (kernel == nullptr) {
            continue;
          }
          const auto elements =
              static_cast<double>(std::get<FlatShape>(kernel->key.shape).elements);
          if (kernel->key.op == KernelOp::adamw) {
            EXPECT_DOUBLE_EQ(memory.optimizer_states.in(unit::byte), 12.0 * elements);
          } else if (kernel->key.op == KernelOp::zero) {
            EXPECT_DOUBLE_EQ(memory.gradients.in(unit::byte), 4.0 * elements);
          }
        }
      }
    }
  }
}

// The weight part gathers its inputs anew; it keeps no more than shards of them, though the
// recomputation in the input part gathered them too. In flight: one micro-batch of four layers, two
// inputs each, of which half lies on the other tensor rank.
TEST(Memory, OfASplitBackwardPassDoesNotKeepWhatIsGatheredAnew) {
  Job job = llama_3_8b_layer_sizes({.tensor = 2});
  job.recipe.schedule = Schedule::zb_h1;
  job.recipe.recompute.kind = Recompute::full;
  job.recipe.global_batch = 1;
  const auto peak = [&] {
    const StageMemory memory = stage_memory(job, stage_work(job, {8}, 0), host_overheads());
    return (memory.activations + memory.transient).in(unit::byte);
  };
  const double with = peak();
  job.recipe.sequence_parallel = SequenceParallel::off;
  const double hidden = 1024.0 * 4096 * 2;
  EXPECT_LT(with, peak() - 4 * 2 * hidden / 2);
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

// Sequence parallelism over one tensor rank divides nothing and is no other program.
TEST(Memory, OfOneTensorRankIsTheSameWithAndWithoutSequenceParallelism) {
  Job job = llama_3_8b_layer_sizes({.pipeline = 2});
  const auto peak = [&](SequenceParallel split) {
    job.recipe.sequence_parallel = split;
    return total_of(stage_memory(job, stage_work(job, {8}, 0), host_overheads())).in(unit::byte);
  };
  EXPECT_EQ(peak(SequenceParallel::on), peak(SequenceParallel::off));
}

// The last stage keeps the logits of a micro-batch, tokens x vocabulary, until its backward pass;
// with a larger vocabulary only the ends grow.
TEST(Memory, LogitsAreOnTheLastStageOnly) {
  Job job = llama_3_8b_layer_sizes({.pipeline = 4});
  const auto alive = [&](std::int64_t stage) {
    const StageMemory m = stage_memory(job, stage_work(job, {8}, stage), host_overheads());
    return (m.activations + m.transient).in(unit::byte);
  };
  const double middle = alive(1);
  const double last = alive(3);
  job.model.vocabulary += 100 * 1024;
  EXPECT_EQ(alive(1), middle);
  const double logits = 1024.0 * (100 * 1024) * 2.0;  // bf16, one micro-batch
  EXPECT_GE(alive(3) - last, logits);
  EXPECT_LE(alive(3) - last, 4.0 * logits);
}

// Nine layers over four stages, embedding and head counted as none: 3, 2, 2, 2.
TEST(Memory, FollowsTheLayersOfUnevenStages) {
  Job job = llama_3_8b_layer_sizes({.pipeline = 4});
  job.model.layers = 9;
  double layers = 0.0;
  for (std::int64_t stage = 1; stage < 3; ++stage) {
    const StageMemory m = stage_memory(job, stage_work(job, {8}, stage), host_overheads());
    const double one = 18.0 * (4096.0 * (4096 + 2 * 1024 + 4096 + 3 * 14336) + 2 * 4096);
    const double state = (m.weights + m.gradients + m.optimizer_states).in(unit::byte) / one;
    EXPECT_NEAR(state, std::round(state), 1e-9) << stage;
    layers += state;
  }
  EXPECT_GE(layers, 4.0);
  EXPECT_LE(layers, 6.0);
}

// NCCL's buffers: a communicator for each kind of group with more than one rank.
TEST(Memory, CountsCommunicatorsOfEveryKindOfGroup) {
  const auto communicators = [](const ParallelLayout& layout) {
    return gpu_overheads(layout).communication.in(unit::megabyte) / 392.0;
  };
  EXPECT_EQ(communicators({}), 0.0);
  EXPECT_EQ(communicators({.tensor = 8, .data = 2}), 2.0);
  EXPECT_EQ(communicators({.context = 16}), 2.0);  // and the state that its ranks share
  EXPECT_EQ(communicators({.pipeline = 2, .expert = 4, .data = 8}), 3.0);
}

}  // namespace
}  // namespace forerun
