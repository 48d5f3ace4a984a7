// The work of layers with experts: products, exchanges, weights and their owners.
#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "estimator/step/expert_load.hpp"
#include "estimator/step/part_cost.hpp"
#include "estimator/step/stage_weights.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Job job_of(const char* model, const ParallelLayout& layout) {
  Job job;
  job.model = read_model(model);
  job.layout = layout;
  job.recipe.sequence = 4096;
  job.recipe.global_batch = layout.data;
  return job;
}

std::vector<CollectiveKey> collectives_of(const std::vector<WorkItem>& items, Part part) {
  std::vector<CollectiveKey> keys;
  for (const WorkItem& item : items) {
    const auto* collective = std::get_if<CollectiveWork>(&item.work);
    if (collective != nullptr && item.part == part) {
      keys.push_back(collective->key);
    }
  }
  return keys;
}

// 4096 tokens, 2 copies of each, 4096 bf16 numbers a copy: 64 MiB to and 64 MiB from the experts,
// in each direction of the pass (modelling.md 2.4: T k h, four times a layer).
TEST(ExpertWork, SendsEveryCopyThereAndBack) {
  const Job job = job_of("mixtral-8x7b", {.expert = 8, .data = 8});
  const StageWork work = stage_work(job, {8}, 0);
  for (const auto* items : {&work.chunks[0].forward, &work.chunks[0].backward}) {
    const auto keys = collectives_of(*items, Part::expert_parallel);
    const auto count = std::ranges::count_if(keys, [](const CollectiveKey& key) {
      return key.op == Collective::all_to_all && key.bytes == 67'108'864 && key.group.ranks == 8 &&
             key.type == DataType::bf16;
    });
    EXPECT_EQ(count, 2 * 32);
  }
}

// Sequence parallelism leaves each rank half of the tokens to send; both halves of the tensor group
// lie in the expert group.
TEST(ExpertWork, SendsTheShardOfTheSequence) {
  const Job job = job_of("mixtral-8x7b", {.tensor = 2, .expert = 8, .data = 4});
  const auto keys =
      collectives_of(stage_work(job, {8}, 0).chunks[0].forward, Part::expert_parallel);
  EXPECT_TRUE(std::ranges::any_of(keys, [](const CollectiveKey& key) {
    return key.op == Collective::all_to_all && key.bytes == 33'554'432 && key.group.ranks == 8;
  }));
}

// Parts of experts: copies are gathered over the ranks that share an expert.
TEST(ExpertWork, GathersCopiesOverPartsOfExperts) {
  const Job job = job_of("mixtral-8x7b", {.tensor = 2, .expert = 4, .expert_tensor = 2, .data = 4});
  const auto keys =
      collectives_of(stage_work(job, {8}, 0).chunks[0].forward, Part::expert_parallel);
  EXPECT_TRUE(std::ranges::any_of(keys, [](const CollectiveKey& key) {
    return key.op == Collective::all_gather && key.bytes == 67'108'864 && key.group.ranks == 2;
  }));
}

// 2 (4096 tokens) (2 experts each) (3 matrices of 4096 x 14336) a layer.
TEST(ExpertWork, DoesTheProductsOfTheChosenExperts) {
  const Job job = job_of("mixtral-8x7b", {.expert = 4, .data = 4});
  const StageWork work = stage_work(job, {8}, 0);
  double flop = 0.0;
  for (const WorkItem& item : work.chunks[0].forward) {
    const auto* kernel = std::get_if<KernelWork>(&item.work);
    if (kernel != nullptr && kernel->key.op == KernelOp::grouped_gemm) {
      flop += hardware_flops(kernel->key).in(unit::flop);
      EXPECT_EQ(std::get<GroupedGemmShape>(kernel->key.shape).groups, 2);
    }
  }
  EXPECT_DOUBLE_EQ(flop, 32.0 * 2.0 * 4096.0 * 2.0 * 3.0 * 4096.0 * 14336.0);
}

TEST(ExpertWork, HoldsEveryWeightOfTheModelOnce) {
  for (const char* model : {"mixtral-8x7b", "qwen3-30b-a3b", "glm-4.5-air"}) {
    Job job = job_of(model, {.tensor = 1, .pipeline = 2, .expert = 4, .data = 4});
    std::int64_t parameters = 0;
    for (std::int64_t stage = 0; stage < 2; ++stage) {
      const StageWeights weights = stage_weights(job, stage);
      parameters += weights.parameters + 4 * weights.expert_parameters;
    }
    const std::int64_t padding =
        2 * (padded_vocabulary(job.model.vocabulary, 1) - job.model.vocabulary) * job.model.hidden;
    const auto total = static_cast<double>(count_parameters(job.model).total);
    // The router's bias moves without a gradient.
    EXPECT_NEAR(static_cast<double>(parameters - padding), total, 1e-6 * total) << model;
  }
}

// An expert of Mixtral is 3 * 4096 * 14336 = 176,160,768 weights; of 32 layers on 4 stages each
// rank holds 8, and shares them with one of the 2 * 8 ranks of its stage that 8 experts leave.
TEST(ExpertWork, ReducesGradientsOverThoseWithTheSameExperts) {
  const Job job = job_of("mixtral-8x7b", {.tensor = 2, .pipeline = 4, .expert = 8, .data = 8});
  const StageWork work = stage_work(job, {8}, 1);
  EXPECT_EQ(work.weights.expert_parameters, 8 * 176'160'768);
  const auto keys = collectives_of(work.tail, Part::data_parallel);
  EXPECT_TRUE(std::ranges::any_of(keys, [](const CollectiveKey& key) {
    return key.op == Collective::reduce_scatter && key.group.ranks == 2 &&
           key.bytes == 4LL * 8 * 176'160'768;
  }));
}

TEST(ExpertLoad, IsEvenWhenBalanced) {
  const ExpertRows rows = most_loaded({}, 8192, 4096, 8, 4);
  EXPECT_EQ(rows.rank, 2048);
  EXPECT_EQ(rows.largest, 1024);
}

// The expected largest of 64 counts with mean 1000 is near mean + sd sqrt(2 ln 64), a little less
// (modelling.md 1.2).
TEST(ExpertLoad, OfRandomChoicesIsThatOfExtremeCounts) {
  const ExpertRows rows = most_loaded({LoadKind::multinomial, 0.0}, 64'000, 32'000, 64, 64);
  const double bound = 1000.0 + std::sqrt(1000.0) * std::sqrt(2.0 * std::log(64.0));
  EXPECT_LT(static_cast<double>(rows.rank), bound);
  EXPECT_GT(static_cast<double>(rows.rank), 1000.0 + 0.6 * (bound - 1000.0));
  EXPECT_EQ(rows.rank, rows.largest);
}

TEST(ExpertLoad, IsWorseForSteeperLawsAndNeverMoreThanAllTokens) {
  std::int64_t before = 0;
  for (const double alpha : {0.4, 0.8, 1.0, 1.2}) {
    const ExpertRows rows = most_loaded({LoadKind::power_law, alpha}, 8 * 4096, 4096, 64, 8);
    EXPECT_GE(rows.rank, before) << alpha;
    EXPECT_GE(rows.rank, 4096);
    EXPECT_LE(rows.largest, 4096);
    before = rows.rank;
  }
  EXPECT_LE(most_loaded({LoadKind::power_law, 3.0}, 2 * 4096, 4096, 8, 8).rank, 4096);
}

// 8,192 rows on 4 ranks of 2 experts: an even share is 2,048.
TEST(ExpertLoad, OfTheBusiestRankIsAsStated) {
  const ExpertRows rows = most_loaded({LoadKind::busiest, 0.0, 1.25}, 8192, 4096, 8, 4);
  EXPECT_EQ(rows.rank, 2560);
  EXPECT_EQ(rows.largest, 1280);
  EXPECT_EQ(most_loaded({LoadKind::busiest, 0.0, 1.0}, 8192, 4096, 8, 4).rank, 2048);
  // Two experts get no more than all tokens each, whatever is stated.
  EXPECT_EQ(most_loaded({LoadKind::busiest, 0.0, 100.0}, 8192, 1024, 8, 4).rank, 2048);
  EXPECT_EQ(expert_load_from("busiest:1.25"), (ExpertLoad{LoadKind::busiest, 0.0, 1.25}));
  EXPECT_EQ(text_of(ExpertLoad{LoadKind::busiest, 0.0, 1.25}), "busiest:1.25");
  EXPECT_FALSE(expert_load_from("busiest:0.9"));
  EXPECT_FALSE(expert_load_from("busiest:"));
  EXPECT_FALSE(expert_load_from("busiest:nan"));
}

TEST(ExpertWork, NeedsTheSequenceSplitWithTheTensors) {
  Job job = small_mixtral({.tensor = 2});
  EXPECT_FALSE(unsupported_because(job));
  job.recipe.sequence_parallel = SequenceParallel::off;
  EXPECT_NE(unsupported_because(job)->find("--sp on"), std::string::npos);
  job.layout.expert_tensor = 2;  // then each rank works on its part of every token's experts
  EXPECT_FALSE(unsupported_because(job));
}

// TransformerEngine starts every expert's product by itself: 8.5 us each where they are short, next
// to nothing more where they are long; one kernel for all, and what was measured, stay as they are.
TEST(ExpertPrice, HasAFloorForEveryExpertThatIsStartedByItself) {
  const auto priced = [](Seconds together, Tier tier, bool one_by_one) {
    const PriceList prices{[&](const KernelKey&) {
                             return Price{together, tier, 0.0};
                           },
                           {},
                           {},
                           {},
                           {}};
    Software software;
    software.launches_each_expert = one_by_one;
    Pricing pricing(prices, software, Overlap::off);
    const KernelKey key{
        KernelOp::grouped_gemm, DataType::bf16, GroupedGemmShape{160, 24640, 154, 3072, 5120}};
    return pricing.of(key).time.in(unit::microsecond);
  };
  const auto us = [](double time) { return time * unit::microsecond; };
  EXPECT_DOUBLE_EQ(priced(us(992), Tier::fitted, false), 992.0);
  EXPECT_DOUBLE_EQ(priced(us(992), Tier::measured, true), 992.0);
  EXPECT_NEAR(priced(us(992), Tier::fitted, true), std::hypot(992.0, 160 * 8.5), 1e-6);
  EXPECT_NEAR(priced(us(50000), Tier::fitted, true), 50000.0, 20.0);
}

}  // namespace
}  // namespace forerun
