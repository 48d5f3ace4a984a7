// Recomputation chosen stage by stage against every list of numbers that there is.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/estimator/plan/small_plan.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// gpt2's 12 layers on stages of some gigabytes.
SmallPlan few_choices(const std::string& layout, Schedule schedule, double gigabytes) {
  SmallPlan plan = small_plan("gpt2", "dgx-a100", 8, 64, 1024);
  plan.subject.capacity = gigabytes * unit::gigabyte;
  plan.space.layouts = parse_layouts(layout, 8);
  plan.space.micro_batches = {4};
  plan.space.schedules = {schedule};
  plan.space.sequence_parallel = {SequenceParallel::on};
  plan.space.shardings = {{ZeroStage::optimizer, 0}};
  plan.space.overlaps = {Overlap::on};
  plan.space.recompute = {{}, false, true};
  return plan;
}

// As much memory as lies between all recomputed and nothing, a share of it from the former.
SmallPlan with_memory_for(SmallPlan plan, double share) {
  const auto needs = [&](Recompute kind) {
    SmallPlan one = plan;
    one.subject.capacity = Bytes::infinite();
    one.space.recompute = {{{kind}}};
    return walk_all(one).best.begin()->second.memory;
  };
  const Bytes least = needs(Recompute::full);
  plan.subject.capacity = least + share * (needs(Recompute::none) - least);
  return plan;
}

struct Best {
  Seconds step_time = Seconds::infinite();
  std::vector<std::int64_t> layers;
  std::int64_t fitting = 0;
  std::int64_t lists = 0;
};

// Every list of layers by stage, priced by `estimate` from nothing.
Best best_of_every_list(const SmallPlan& plan, const Candidate& candidate, std::int64_t most) {
  Job job = LayoutSearch(plan.subject, plan.space).job_of(candidate);
  const auto stages = static_cast<std::size_t>(job.layout.pipeline);
  Best best;
  std::vector<std::int64_t> layers(stages, 0);
  for (bool is_done = false; !is_done;) {
    job.recipe.recompute = {Recompute::block, {}, 0, layers};
    EXPECT_FALSE(illegal_because(job));
    const StepEstimate estimate =
        estimate_step(job,
                      plan.subject.placement,
                      plan.subject.prices,
                      {candidate.overlap, gpu_overheads(job.layout), plan.subject.host});
    const bool fits = std::ranges::all_of(estimate.memory, [&](const StageMemory& memory) {
      return total_of(memory) <= plan.subject.capacity;
    });
    const Seconds time = total_of(estimate.breakdown);
    ++best.lists;
    best.fitting += fits ? 1 : 0;
    if (fits && time < best.step_time) {
      best.step_time = time;
      best.layers = layers;
    }
    std::size_t stage = 0;
    while (stage < stages && layers[stage] == most) {
      layers[stage++] = 0;
    }
    is_done = stage == stages;
    if (!is_done) {
      ++layers[stage];
    }
  }
  return best;
}

void expect_least_is_best(const SmallPlan& plan, std::int64_t most) {
  const SearchResult result = walk_all(plan);
  ASSERT_EQ(result.evaluated, 1);
  const PricedCandidate& found = result.best.begin()->second;
  const Best best = best_of_every_list(plan, found.candidate, most);
  EXPECT_GT(best.fitting, 0);
  EXPECT_LT(best.fitting, best.lists);
  EXPECT_NEAR(found.step_time / best.step_time, 1.0, 1e-9);
  EXPECT_EQ(found.candidate.recomputed_by_stage, best.layers);
  // What no stage needs less of does not fit either.
  for (std::size_t stage = 0; stage < best.layers.size(); ++stage) {
    if (best.layers[stage] > 0) {
      SmallPlan less = plan;
      std::vector<std::int64_t> layers = best.layers;
      --layers[stage];
      less.space.recompute = {{{Recompute::block, {}, 0, layers}}};
      EXPECT_EQ(walk_all(less).evaluated, 0) << "stage " << stage;
    }
  }
}

TEST(StageBlocks, AreTheBestOfEveryList) {
  for (const double share : {0.2, 0.6}) {
    for (const Schedule schedule : {Schedule::one_f_one_b, Schedule::gpipe, Schedule::zb_h1}) {
      expect_least_is_best(with_memory_for(few_choices("tp=1,pp=4", schedule, 80.0), share), 3);
    }
    expect_least_is_best(
        with_memory_for(few_choices("tp=2,pp=2,vp=2", Schedule::interleaved, 80.0), share), 3);
    expect_least_is_best(with_memory_for(few_choices("pp=2,vp=2", Schedule::zb_v, 80.0), share), 3);
    expect_least_is_best(with_memory_for(few_choices("pp=2", Schedule::dualpipe, 80.0), share), 6);
  }
}

// Shardings leave stages different amounts of memory; each gets its own list, and uniform ones are
// counted once.
TEST(StageBlocks, FollowTheSharding) {
  SmallPlan plan = few_choices("tp=1,pp=4", Schedule::one_f_one_b, 5.0);
  plan.space.shardings = {{ZeroStage::none, 0}, {ZeroStage::optimizer, 0}};
  const SearchResult result = walk_all(plan);
  EXPECT_EQ(result.enumerated, 2);
  plan.space.recompute = every_recompute();
  const SearchResult all = walk_all(plan);
  // None, selective, full, block:1, block:2 and the least by stage, with two shardings.
  EXPECT_EQ(all.enumerated, 12);
  EXPECT_EQ(all.best.begin()->second.step_time, result.best.begin()->second.step_time);
}

// With all the memory in the world the least is nothing, which is a policy of its own.
TEST(StageBlocks, ThatRepeatAPolicyCountOnce) {
  SmallPlan plan = few_choices("tp=1,pp=4", Schedule::one_f_one_b, 500.0);
  plan.space.recompute = every_recompute();
  const SearchResult result = walk_all(plan);
  EXPECT_EQ(result.enumerated, 6);
  EXPECT_EQ(result.evaluated, 5);
  EXPECT_EQ(result.rejected[static_cast<std::size_t>(Reject::duplicate)], 1);
}

TEST(StageBlocks, ThatCannotFitNameTheLeastMemory) {
  SmallPlan plan = few_choices("tp=1,pp=4", Schedule::one_f_one_b, 1.0);
  const SearchResult by_stage = walk_all(plan);
  EXPECT_EQ(by_stage.evaluated, 0);
  EXPECT_EQ(by_stage.rejected[static_cast<std::size_t>(Reject::memory)], 1);
  plan.space.recompute = {{{Recompute::full}, {Recompute::none}}};
  EXPECT_LE(by_stage.smallest.begin()->second.memory,
            walk_all(plan).smallest.begin()->second.memory);
}

TEST(StageBlocks, TravelBetweenRanks) {
  const SearchResult result = walk_all(few_choices("tp=1,pp=4", Schedule::one_f_one_b, 5.0));
  ASSERT_FALSE(result.best.empty());
  EXPECT_FALSE(result.best.begin()->second.candidate.recomputed_by_stage.empty());
  EXPECT_EQ(search_result_from(to_text(result)).best, result.best);
}

// Giving up early loses none of the best when many shapes have lists of their own.
TEST(StageBlocks, AreNotGivenUpTooEarly) {
  SmallPlan plan = small_plan("gpt2", "dgx-a100", 16, 64, 1024);
  plan.subject.capacity = 3.0 * unit::gigabyte;
  const SearchResult all = walk_all(plan);
  for (const std::size_t count : {1U, 4U, 12U}) {
    const auto best = fastest(all, count);
    ASSERT_EQ(best.size(), count);
    EXPECT_EQ(fastest(walk_all(plan, best.back().step_time), count), best);
  }
  const auto has_list = [](const auto& one) {
    return !one.second.candidate.recomputed_by_stage.empty();
  };
  EXPECT_TRUE(std::ranges::any_of(all.best, has_list));
}

// Every set of modules comes back from a candidate.
TEST(Candidates, KeepTheModulesThatTheyRecompute) {
  for (const char* const text :
       {"core_attn", "layernorm", "mlp_act", "mlp", "moe_act", "layernorm+moe_act"}) {
    const RecomputeModules modules = recompute_policy_from(text)->modules;
    EXPECT_EQ(modules_of(bits_of(modules)), modules) << text;
  }
}

}  // namespace
}  // namespace forerun
