// What the training framework changes: activations that are kept, collectives, kernels, time.
#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "estimator/step/memory.hpp"
#include "estimator/step/step_time.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// One FLOP and one byte a nanosecond each; messages a byte a nanosecond.
PriceList byte_prices() {
  PriceList prices;
  prices.kernel = [](const KernelKey& key) {
    const double cost = hardware_flops(key).in(unit::flop) + minimum_traffic(key).in(unit::byte);
    return Price{cost * unit::nanosecond, Tier::measured, 0.0};
  };
  prices.collective = [](const CollectiveKey& key) {
    return Price{wire_bytes(key) * unit::nanosecond, Tier::measured, 0.0};
  };
  return prices;
}

Job gpt_with(const char* preset, const ParallelLayout& layout) {
  Job job = small_gpt2(layout);
  job.recipe.software = *software_preset(preset);
  job.recipe.precision = Precision::fp16;
  job.model.ffn_hidden = 4 * job.model.hidden;
  return job;
}

// Bytes that a middle layer keeps, over s b h: the difference that one layer makes.
double kept_factor(Job job) {
  const auto kept = [&job] { return kept_bytes(stage_work(job, {8}, 0).chunks[0]).in(unit::byte); };
  const double more = kept();
  --job.model.layers;
  const auto tokens = static_cast<double>(job.recipe.sequence * job.recipe.micro_batch);
  const double per_token = (more - kept()) / tokens;
  // Two LayerNorms keep mean and rstd of a row in fp32; with sequence parallelism of their rows.
  const double shards = job.recipe.sequence_parallel == SequenceParallel::on
                            ? static_cast<double>(job.layout.tensor)
                            : 1.0;
  return (per_token - 16.0 / shards) / static_cast<double>(job.model.hidden);
}

double score_factor(const Job& job) {
  return 5.0 * static_cast<double>(job.model.attention.heads * job.recipe.sequence) /
         static_cast<double>(job.model.hidden);
}

// Korthikanti et al. 2022 (arXiv 2205.05198), equations 1, 2, 4 and table 2: s b h times
// 34 + 5as/h; 10 + 24/t + 5as/(ht); (34 + 5as/h)/t; 34/t; 2.
TEST(Software, KeepsKorthikantisActivations) {
  Job alone = gpt_with("megatron-2022", {});
  alone.recipe.sequence_parallel = SequenceParallel::off;
  EXPECT_NEAR(kept_factor(alone), 34.0 + score_factor(alone), 1e-9);

  Job tensor = gpt_with("megatron-2022", {.tensor = 2});
  tensor.recipe.sequence_parallel = SequenceParallel::off;
  EXPECT_NEAR(kept_factor(tensor), 10.0 + 12.0 + score_factor(tensor) / 2.0, 1e-9);

  Job sequence = gpt_with("megatron-2022", {.tensor = 2});
  EXPECT_NEAR(kept_factor(sequence), (34.0 + score_factor(sequence)) / 2.0, 1e-9);

  sequence.recipe.recompute.kind = Recompute::selective;
  EXPECT_NEAR(kept_factor(sequence), 34.0 / 2.0, 1e-9);
}

double kernel_and_wire_time(const std::vector<WorkItem>& items, const PriceList& prices) {
  return std::accumulate(items.begin(), items.end(), 0.0, [&](double sum, const WorkItem& item) {
    const Price price = std::holds_alternative<KernelWork>(item.work)
                            ? prices.kernel(std::get<KernelWork>(item.work).key)
                            : prices.collective(std::get<CollectiveWork>(item.work).key);
    return sum + price.time.in(unit::second);
  });
}

// The step is priced by its distinct parts; without overlap and pipeline it is the sum over the
// whole work list, for every framework, sharding and recomputation.
TEST(Software, StepOfPartsIsTheSumOfTheWorkList) {
  const PriceList prices = byte_prices();
  for (const Software& software : software_presets()) {
    for (const ZeroStage zero :
         {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::parameters}) {
      for (const std::string recompute :
           {"none", "selective", "full", "block:1", "layernorm+mlp"}) {
        Job job = gpt_with("forerun", {.tensor = 2, .data = 2});
        job.recipe.software = software;
        job.recipe.zero = zero;
        job.recipe.recompute = *recompute_policy_from(recompute);
        job.recipe.global_batch = 2 * job.recipe.micro_batch;
        ASSERT_EQ(micro_batches(job), 1);
        const StageWork work = stage_work(job, {8}, 0);
        const ChunkWork& chunk = work.chunks[0];
        double expected = kernel_and_wire_time(chunk.forward, prices) +
                          kernel_and_wire_time(chunk.backward, prices) +
                          kernel_and_wire_time(work.tail, prices);
        for (const WorkItem& item : chunk.backward) {
          if (item.skips_first) {  // the only micro-batch is the first
            expected -= kernel_and_wire_time({item}, prices);
          }
        }
        const StepEstimate step = estimate_step(job, {8}, prices, {Overlap::off, {}, {}});
        EXPECT_NEAR(total_of(step.breakdown).in(unit::second) / expected, 1.0, 1e-9)
            << software.preset << " zero " << static_cast<int>(zero) << " " << recompute;
      }
    }
  }
}

std::int64_t gathers_in(const std::vector<WorkItem>& items) {
  return std::ranges::count_if(items, [](const WorkItem& item) {
    const auto* work = std::get_if<CollectiveWork>(&item.work);
    return work != nullptr && item.part == Part::data_parallel &&
           work->key.op == Collective::all_gather;
  });
}

// FSDP gathers a layer at once, DeepSpeed each of its four matrices; twice unless kept.
TEST(Software, GathersShardedWeights) {
  Job job = gpt_with("torchtitan", {.data = 4});
  job.recipe.zero = ZeroStage::parameters;
  const std::int64_t layers = job.model.layers;
  const auto chunk = [&job] { return stage_work(job, {8}, 0).chunks[0]; };
  EXPECT_EQ(gathers_in(chunk().forward), layers + 2);  // embedding and head
  EXPECT_EQ(gathers_in(chunk().backward), layers);
  job.recipe.software = *software_preset("deepspeed-2022");
  EXPECT_EQ(gathers_in(chunk().forward), 4 * layers + 2);
  job.recipe.keeps_gathered_weights = true;
  EXPECT_EQ(gathers_in(chunk().backward), 0);
}

// HSDP over groups of two of four ranks: gathers over two, a sum over the two groups.
TEST(Software, ShardsOverGroupsThatAreReplicated) {
  Job job = gpt_with("torchtitan", {.data = 4});
  job.recipe.zero = ZeroStage::parameters;
  job.recipe.shard_group = 2;
  const StageWork work = stage_work(job, {2}, 0);
  std::int64_t sums = 0;
  for (const WorkItem& item : work.chunks[0].backward) {
    const auto* collective = std::get_if<CollectiveWork>(&item.work);
    if (collective == nullptr || item.part != Part::data_parallel) {
      continue;
    }
    EXPECT_EQ(collective->key.group.ranks, 2);
    const bool is_sum = collective->key.op == Collective::all_reduce;
    EXPECT_EQ(collective->key.group.ranks_per_node, is_sum ? 1 : 2);
    sums += is_sum ? 1 : 0;
  }
  EXPECT_EQ(sums, job.model.layers + 2);
  job.recipe.shard_group = 3;
  EXPECT_TRUE(illegal_because(job));
}

// ZeRO shards what it says, in bytes per parameter: Rajbhandari et al. 2020, figure 1, for fp16
// weights and fp16 gradients: 16 Psi, 4 + 12/n, 2 + 14/n; 16/n and what is gathered.
TEST(Software, ShardsStateAsZeroDoes) {
  Job job = gpt_with("deepspeed-2022", {.data = 4});
  const auto per_element = [&job](ZeroStage zero) {
    job.recipe.zero = zero;
    const StageWork work = stage_work(job, {8}, 0);
    const StageMemory memory = stage_memory(job, work, host_overheads());
    return (memory.weights + memory.gradients + memory.optimizer_states).in(unit::byte) /
           static_cast<double>(work.weights.elements);
  };
  EXPECT_NEAR(per_element(ZeroStage::none), 16.0, 1e-9);
  EXPECT_NEAR(per_element(ZeroStage::optimizer), 4.0 + 12.0 / 4, 1e-9);
  EXPECT_NEAR(per_element(ZeroStage::gradients), 2.0 + 14.0 / 4, 1e-9);
  EXPECT_GT(per_element(ZeroStage::parameters), 14.0 / 4);
}

}  // namespace
}  // namespace forerun
