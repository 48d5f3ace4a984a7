// Mamba, DeltaNet, gates, attention in chunks, tokens exchanged by node: counted by hand, and
// against the parameter counts of jobs/.
#include <cmath>

#include <gtest/gtest.h>

#include "estimator/step/expert_load.hpp"
#include "estimator/step/memory.hpp"
#include "estimator/step/part_work.hpp"
#include "estimator/step/stage_weights.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/parameter_count.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/modern_jobs.hpp"
#include "tests/estimator/step/work_sums.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::vector<Job> modern_jobs(const ParallelLayout& layout) {
  return {small_mamba2(layout),
          small_jamba(layout),
          small_nemotron_h(layout),
          small_gated(layout),
          small_expert_latent(layout),
          small_delta_net(layout),
          small_deepseek_v2(layout)};
}

std::int64_t count_of(const std::vector<WorkItem>& items, KernelOp op) {
  std::int64_t count = 0;
  for (const WorkItem& item : items) {
    const auto* kernel = std::get_if<KernelWork>(&item.work);
    count += kernel != nullptr && kernel->key.op == op ? 1 : 0;
  }
  return count;
}

std::vector<WorkItem> forward_of(const Job& job, std::int64_t ranks_per_node = 8) {
  return stage_work(job, {ranks_per_node}, 0).chunks[0].forward;
}

std::vector<CollectiveKey> exchanges_of(const Job& job,
                                        Collective op,
                                        std::int64_t ranks_per_node,
                                        GroupKind kind) {
  std::vector<CollectiveKey> keys;
  for (const WorkItem& item : forward_of(job, ranks_per_node)) {
    const auto* collective = std::get_if<CollectiveWork>(&item.work);
    if (collective != nullptr && collective->key.op == op && collective->group == kind) {
      keys.push_back(collective->key);
    }
  }
  return keys;
}

// Half the width crosses the expert group, and every token is projected there and back.
TEST(ExpertLatent, NarrowsWhatIsExchanged) {
  const ParallelLayout layout{.expert = 2, .data = 2};
  const Job narrow = small_expert_latent(layout);
  Job wide = narrow;
  wide.model.moe->latent = 0;
  const auto sent = [](const Job& job) {
    return exchanges_of(job, Collective::all_to_all, 8, GroupKind::expert).front().bytes;
  };
  EXPECT_EQ(2 * sent(narrow), sent(wide));                         // 32 of 64 elements
  const std::int64_t projections = 2 * (narrow.model.layers - 1);  // the first is dense
  EXPECT_EQ(count_of(forward_of(narrow), KernelOp::gemm),
            count_of(forward_of(wide), KernelOp::gemm) + projections);
}

// Two lists of the same weights, written apart.
TEST(ModernWeights, OfEveryLayerAreThoseThatJobsCount) {
  for (const Job& job : modern_jobs({})) {
    for (std::int64_t layer = 0; layer < job.model.layers; ++layer) {
      const StageWeights weights = layer_weights(job, layer);
      EXPECT_EQ(weights.parameters + weights.expert_parameters,
                sum_of(layer_parameters(job.model, layer)))
          << job.model.name << " layer " << layer;
    }
  }
}

// Every matrix of a layer meets every token once forward; the head, 64 x 1024 padded, too.
TEST(Mamba2Work, MultipliesItsMatricesOnce) {
  const double in = 64.0 * (2 * 128 + 2 * 4 * 8 + 8);
  const double out = 128.0 * 64.0;
  const double head = 64.0 * 1024.0;
  EXPECT_DOUBLE_EQ(flop_of(forward_of(small_mamba2({})), KernelOp::gemm),
                   2.0 * 32.0 * (4.0 * (in + out) + head));
}

// Channels, heads and groups are shared out: two ranks' scans and convolutions are those of one.
TEST(ScanWork, OfTensorRanksIsThatOfOne) {
  for (const auto make : {small_mamba2, small_jamba, small_delta_net}) {
    const auto one = forward_of(make({}));
    const auto two = forward_of(make({.tensor = 2}));
    for (const KernelOp op : {KernelOp::ssd_forward,
                              KernelOp::selective_scan_forward,
                              KernelOp::delta_rule_forward,
                              KernelOp::conv1d_forward,
                              KernelOp::gated_norm_forward}) {
      EXPECT_DOUBLE_EQ(2.0 * flop_of(two, op), flop_of(one, op)) << name_of(op);
    }
  }
}

// modelling notes 1.2: tokens (2 Q (N n_g + d_i) / 2 + 4 N d_i), the triangles halved; Q = 32 here.
TEST(Mamba2Work, ScansAsTheDualFormDoes) {
  const double scan = 32.0 * (32.0 * (8.0 * 4.0 + 128.0) + 4.0 * 8.0 * 128.0);
  EXPECT_DOUBLE_EQ(flop_of(forward_of(small_mamba2({})), KernelOp::ssd_forward), 4.0 * scan);
}

TEST(ScanWork, CopiesColumnsOnlyWhereKernelsCannotReadThemInPlace) {
  Job job = small_mamba2({});
  EXPECT_EQ(count_of(forward_of(job), KernelOp::take_columns), 4 * 6);
  job.recipe.software = *software_preset("megatron-core");
  EXPECT_EQ(count_of(forward_of(job), KernelOp::take_columns), 0);
}

// What is recomputed is kept as what it is recomputed from; a column that is read in place is no
// tensor of its own.
TEST(ModernWork, KeepsOfARecomputedLayerItsInputAlone) {
  for (const ParallelLayout layout : {ParallelLayout{}, ParallelLayout{.tensor = 2}}) {
    for (Job job : modern_jobs(layout)) {
      job.recipe.recompute = {Recompute::full, {}, 0};
      for (const char* const software : {"forerun", "megatron-core"}) {
        job.recipe.software = *software_preset(software);
        const WorkBuilder builder(job, {8});
        for (std::int64_t layer = 0; layer < job.model.layers; ++layer) {
          const PartWork part = part_work(job, builder, PartKind::recomputed_layer, layer);
          EXPECT_EQ(part.kept, (std::vector<TensorId>{{TensorName::hidden, layer}}))
              << job.model.name << " layer " << layer << ", " << software;
        }
        PartWorks works(job, builder);
        ChunkMemories memories(job, works);
        EXPECT_GT(memories.chunk({.layers = {0, 1}, .recomputed = 1}).kept_for_input, Bytes());
      }
    }
  }
}

TEST(SquaredRelu, IsAKernelOfItsOwn) {
  EXPECT_EQ(count_of(forward_of(small_nemotron_h({})), KernelOp::relu_squared_forward), 2);
}

// Four chunks of 8 see a quarter of the pairs that 32 positions have.
TEST(ChunkedAttention, SeesItsChunkOnly) {
  Job job = small_llama({});
  const double whole = flop_of(forward_of(job), KernelOp::attention_forward);
  job.model.attention.window = 8;
  job.model.attention.chunked = true;
  EXPECT_DOUBLE_EQ(flop_of(forward_of(job), KernelOp::attention_forward), whole / 4.0);
}

// modelling notes 2.4: of 256 experts, 8 a token.
TEST(DistinctPlaces, AreTheExpectedOnes) {
  EXPECT_NEAR(distinct_places(8, 256, 8), 5.29, 0.005);
  EXPECT_NEAR(distinct_places(16, 256, 8), 6.52, 0.005);
  EXPECT_NEAR(distinct_places(32, 256, 8), 7.27, 0.005);
  EXPECT_NEAR(distinct_places(64, 256, 8), 7.68, 0.005);
}

// Four ranks on two nodes, 4 experts, 2 of them for each of 32 tokens, which so reaches
// 2 (1 - C(2,2)/C(4,2)) = 5/3 nodes and 4 (1 - C(3,2)/C(4,2)) = 2 ranks.
TEST(ExchangeByNode, SendsOneCopyToEachNodeAndThenToEachRank) {
  Job job = small_mixtral({.expert = 4, .data = 4});
  job.recipe.expert_dispatch = {DispatchKind::hierarchical, 0};
  const auto keys = exchanges_of(job, Collective::all_to_all, 2, GroupKind::expert);
  ASSERT_GE(keys.size(), 2U);
  const std::int64_t row = 64 * 4;
  EXPECT_EQ(keys[0].bytes, std::llround(32.0 * 5.0 / 3.0) * row);
  EXPECT_EQ(keys[0].group.ranks, 2);
  EXPECT_EQ(keys[0].group.ranks_per_node, 1);
  EXPECT_EQ(keys[1].bytes, 64 * row);
  EXPECT_EQ(keys[1].group.ranks, 2);
  EXPECT_EQ(keys[1].group.ranks_per_node, 2);
}

TEST(ExchangeByNode, WithinOneNodeIsPlain) {
  Job job = small_mixtral({.expert = 4, .data = 4});
  const auto plain = exchanges_of(job, Collective::all_to_all, 4, GroupKind::expert);
  job.recipe.expert_dispatch = {DispatchKind::hierarchical, 0};
  EXPECT_EQ(exchanges_of(job, Collective::all_to_all, 4, GroupKind::expert), plain);
}

TEST(ExchangeByNode, ToOneNodeOnlySendsNoTokenTwiceBetweenNodes) {
  Job job = small_mixtral({.expert = 4, .data = 4});
  job.recipe.expert_dispatch = {DispatchKind::node_limited, 1};
  const auto keys = exchanges_of(job, Collective::all_to_all, 2, GroupKind::expert);
  EXPECT_EQ(keys[0].bytes, 32 * 64 * 4);
}

// On one node it is Ulysses; with a rank a node it is the ring.
TEST(HierarchicalContext, LiesBetweenUlyssesAndTheRing) {
  const auto keys = [](ContextKind kind, std::int64_t ranks_per_node) {
    Job job = small_llama({.context = 4});
    job.recipe.context_kind = kind;
    return work_keys(job, {ranks_per_node});
  };
  const auto same = [](const WorkKeys& a, const WorkKeys& b) {
    return a.kernels == b.kernels && a.collectives == b.collectives;
  };
  EXPECT_TRUE(same(keys(ContextKind::hierarchical, 4), keys(ContextKind::ulysses, 4)));
  EXPECT_FALSE(same(keys(ContextKind::hierarchical, 2), keys(ContextKind::ulysses, 2)));
  EXPECT_FALSE(same(keys(ContextKind::hierarchical, 2), keys(ContextKind::ring, 2)));
}

// Whatever the way, the causal pairs of all ranks are those of one.
TEST(HierarchicalContext, AttendsToWhatOneRankDoes) {
  Job job = small_llama({});
  const double whole = flop_of(forward_of(job), KernelOp::attention_forward);
  job = small_llama({.context = 4});
  job.recipe.context_kind = ContextKind::hierarchical;
  EXPECT_DOUBLE_EQ(4.0 * flop_of(forward_of(job, 2), KernelOp::attention_forward), whole);
}

// Without sequence parallelism every tensor rank has all tokens and half of each expert: as many
// multiplications, one sum more.
TEST(ExpertsWithoutSequenceParallelism, WorkOnTheirPartOfEveryToken) {
  Job with = small_mixtral({.tensor = 2, .expert_tensor = 2});
  Job without = with;
  without.recipe.sequence_parallel = SequenceParallel::off;
  EXPECT_DOUBLE_EQ(flop_of(forward_of(without), KernelOp::grouped_gemm),
                   flop_of(forward_of(with), KernelOp::grouped_gemm));
  EXPECT_TRUE(exchanges_of(without, Collective::all_gather, 8, GroupKind::expert_tensor).empty());
}

}  // namespace
}  // namespace forerun
