// The search prices as `estimate` does, counts every candidate once and finds the best of them.
#include "estimator/plan/layout_search.hpp"

#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "estimator/plan/parallel_walk.hpp"
#include "estimator/plan/search_bound.hpp"
#include "tests/estimator/plan/small_plan.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// The other way to price a candidate: the whole of `estimate`, from nothing.
StepEstimate estimate_of(const SmallPlan& plan, const Job& job, Overlap overlap) {
  return estimate_step(job,
                       plan.subject.placement,
                       plan.subject.prices,
                       {overlap, gpu_overheads(job.layout), plan.subject.host});
}

Bytes peak_of(const StepEstimate& estimate) {
  Bytes most;
  for (const StageMemory& memory : estimate.memory) {
    most = std::max(most, total_of(memory));
  }
  return most;
}

std::int64_t sum_of_rejects(const SearchResult& result) {
  return std::accumulate(result.rejected.begin(), result.rejected.end(), std::int64_t{0});
}

Candidate candidate_of(const SmallPlan& plan,
                       const ParallelLayout& layout,
                       const Sharding& sharding,
                       const RecomputePolicy& policy) {
  Candidate one;
  one.layout = layout;
  one.sharding = sharding;
  if (sharding.group == node_group) {
    one.sharding.group = std::max<std::int64_t>(
        1, plan.subject.placement.devices_per_node / (layout.tensor * layout.context));
  }
  one.recompute = policy.kind;
  one.recomputed_layers = policy.layers;
  one.modules = bits_of(policy.modules);
  return one;
}

// Every candidate of the space by itself, in the plainest loops.
std::vector<Candidate> all_candidates(const SmallPlan& plan) {
  std::vector<Candidate> all;
  for (const ParallelLayout& layout : plan.space.layouts) {
    const auto policies = policies_of(plan.space.recompute, plan.subject.model.layers, layout);
    for (const Sharding& sharding : plan.space.shardings) {
      for (const RecomputePolicy& policy : policies) {
        Candidate one = candidate_of(plan, layout, sharding, policy);
        for (const std::int64_t micro_batch : plan.space.micro_batches) {
          one.micro_batch = micro_batch;
          for (const Schedule schedule : plan.space.schedules) {
            one.schedule = schedule;
            for (const SequenceParallel sequence_parallel : plan.space.sequence_parallel) {
              one.sequence_parallel = sequence_parallel;
              for (const Overlap overlap : plan.space.overlaps) {
                one.overlap = overlap;
                for (one.stage_split = 0; one.stage_split < std::ssize(plan.space.stage_splits);
                     ++one.stage_split) {
                  for (const Offload& offload : plan.space.offloads) {
                    one.offload = offload;
                    all.push_back(one);
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  return all;
}

Candidate random_candidate(const SmallPlan& plan, std::mt19937& random) {
  const auto any = [&](const auto& values) { return values[random() % values.size()]; };
  const SearchSpace& space = plan.space;
  const ParallelLayout layout = any(space.layouts);
  const auto policies = policies_of(space.recompute, plan.subject.model.layers, layout);
  Candidate one = candidate_of(plan, layout, any(space.shardings), any(policies));
  one.micro_batch = any(space.micro_batches);
  one.schedule = any(space.schedules);
  one.sequence_parallel = any(space.sequence_parallel);
  one.overlap = any(space.overlaps);
  one.stage_split = static_cast<int>(random() % space.stage_splits.size());
  one.offload = any(space.offloads);
  return one;
}

void expect_random_layouts_as_estimated(const SmallPlan& plan, int wanted) {
  const LayoutSearch jobs(plan.subject, plan.space);
  std::mt19937 random(7);
  int priced = 0;
  for (int tried = 0; tried < 100'000 && priced < wanted; ++tried) {
    const Candidate one = random_candidate(plan, random);
    const Job job = jobs.job_of(one);
    // Groups of one shard nothing and are no candidates.
    const bool is_of_one = job.recipe.shard_group == 1;
    if (broken_rule(job) || unsupported_because(job) || is_of_one) {
      continue;
    }
    SmallPlan alone{plan.hardware, plan.subject, {}};
    alone.subject.capacity = Bytes::infinite();
    alone.space.layouts = {one.layout};
    alone.space.micro_batches = {one.micro_batch};
    alone.space.schedules = {one.schedule};
    alone.space.sequence_parallel = {one.sequence_parallel};
    alone.space.shardings = {one.sharding};
    alone.space.recompute = {{job.recipe.recompute}};
    alone.space.overlaps = {one.overlap};
    alone.space.stage_splits = {job.recipe.stage_split};
    alone.space.offloads = {one.offload};
    const SearchResult result = walk_all(alone);
    ASSERT_EQ(result.evaluated, 1) << text_of(one.layout);
    const StepEstimate estimate = estimate_of(plan, job, one.overlap);
    const PricedCandidate& found = result.best.begin()->second;
    EXPECT_NEAR(found.step_time / total_of(estimate.breakdown), 1.0, 1e-9)
        << text_of(one.layout) << ' ' << name_of(one.schedule);
    EXPECT_NEAR(found.memory / peak_of(estimate), 1.0, 1e-9) << text_of(one.layout);
    ++priced;
  }
  EXPECT_EQ(priced, wanted);
}

TEST(LayoutSearch, PricesRandomLayoutsAsEstimateDoes) {
  expect_random_layouts_as_estimated(small_plan("llama-3-8b", "dgx-h100", 64, 64, 4096), 120);
}

TEST(LayoutSearch, PricesLayoutsOfExpertsAsEstimateDoes) {
  expect_random_layouts_as_estimated(small_plan("mixtral-8x7b", "dgx-h100", 64, 64, 4096), 60);
}

// A teacher of another depth, so that its chunks are cut elsewhere than the student's.
TEST(LayoutSearch, PricesDistillationAsEstimateDoes) {
  SmallPlan plan = small_plan("llama-3.2-1b", "dgx-h100", 16, 64, 4096);
  plan.subject.teacher = read_model("llama-3-8b");
  expect_random_layouts_as_estimated(plan, 60);
}

// With a link so slow that it decides, whichever way the software updates.
SmallPlan offloading_plan(const char* software, std::int64_t devices) {
  SmallPlan plan = small_plan("gpt2", "dgx-a100", devices, 16, 1024);
  plan.subject.recipe.software = *software_preset(software);
  plan.subject.host.link = host_link_of(*plan.hardware.cluster.host, 8);
  plan.space.offloads = every_offload();
  return plan;
}

TEST(LayoutSearch, PricesWhatIsOffloadedAsEstimateDoes) {
  for (const char* software : {"megatron-core", "deepspeed", "maxtext"}) {
    expect_random_layouts_as_estimated(offloading_plan(software, 16), 60);
  }
}

void expect_whole_space_as_one_by_one(const SmallPlan& plan) {
  const LayoutSearch jobs(plan.subject, plan.space);
  std::int64_t legal = 0;
  std::optional<PricedCandidate> best;
  for (const Candidate& one : all_candidates(plan)) {
    const Job job = jobs.job_of(one);
    if (broken_rule(job) || unsupported_because(job)) {
      continue;
    }
    ++legal;
    const StepEstimate estimate = estimate_of(plan, job, one.overlap);
    if (peak_of(estimate) > plan.subject.capacity) {
      continue;
    }
    const PricedCandidate priced{total_of(estimate.breakdown), peak_of(estimate), one};
    if (!best || priced.step_time < best->step_time) {
      best = priced;
    }
  }
  const SearchResult result = walk_all(plan);
  ASSERT_TRUE(best);
  const PricedCandidate found = fastest(result, 1).front();
  EXPECT_NEAR(found.step_time / best->step_time, 1.0, 1e-9);
  const auto count = [&](Reject why) { return result.rejected[static_cast<std::size_t>(why)]; };
  EXPECT_EQ(result.evaluated + count(Reject::memory) + count(Reject::duplicate), legal);
  EXPECT_EQ(result.enumerated, sum_of_rejects(result) + result.evaluated);
}

// By hand, head over a layer's active weights: llama-3.1-405b 2.10 of 3.19 billion; llama-3-8b
// 0.525 of 0.218, deepseek-v3 0.93 of 0.59, gemma-2b (tied) 0.524 of 0.110. Even, and two counts of
// the embedding with each of the head's from none to 1, 2, 2 and 3.
TEST(StageSplits, ReachUpToTheWorkOfTheHead) {
  for (const auto& [model, count] : {std::pair("llama-3.1-405b", 1 + 2 * 2),
                                     std::pair("llama-3-8b", 1 + 2 * 3),
                                     std::pair("deepseek-v3", 1 + 2 * 3),
                                     std::pair("gemma-2b", 1 + 2 * 4)}) {
    EXPECT_EQ(std::ssize(several_stage_splits(read_model(model))), count) << model;
  }
}

// The head of gemma-2b (256,000 tokens) works as much as five of its layers: the split that counts
// it as three beats the even one, and what is given up early is none of the best.
TEST(LayoutSearch, LightensTheStageOfAHeavyHead) {
  SmallPlan plan = small_plan("gemma-2b", "dgx-h100", 8, 64, 4096);
  plan.space.layouts = parse_layouts("tp=1,pp=2|4", 8);
  plan.space.schedules = {Schedule::one_f_one_b};
  const SearchResult even = walk_all(plan);
  plan.space.stage_splits = several_stage_splits(plan.subject.model);
  const SearchResult several = walk_all(plan);
  const PricedCandidate best = fastest(several, 1).front();
  EXPECT_LT(best.step_time, fastest(even, 1).front().step_time);
  const StageSplit& split =
      plan.space.stage_splits[static_cast<std::size_t>(best.candidate.stage_split)];
  EXPECT_EQ(split.head, 3);
  EXPECT_EQ(fastest(walk_all(plan, bound_of(plan.subject, plan.space, 2)), 2), fastest(several, 2));
  EXPECT_EQ(search_result_from(to_text(several)).best, several.best);
}

SmallPlan with_few_layouts(SmallPlan plan) {
  plan.space.recompute.every_block = false;
  plan.space.recompute.least_by_stage = false;
  plan.space.layouts = parse_layouts("tp=1|2,pp=1|2|4,vp=1..3", 8);
  plan.space.micro_batches = {1, 4};
  return plan;
}

TEST(LayoutSearch, PricesAWholeSpaceAsOneByOne) {
  SmallPlan plan = with_few_layouts(small_plan("gpt2", "dgx-a100", 8, 16, 1024));
  plan.space.stage_splits = several_stage_splits(plan.subject.model);
  expect_whole_space_as_one_by_one(plan);
}

// So little memory that what fits has to offload.
TEST(LayoutSearch, PricesAWholeSpaceOfOffloadingAsOneByOne) {
  SmallPlan plan = with_few_layouts(offloading_plan("deepspeed", 8));
  plan.space.layouts = parse_layouts("tp=1|2,pp=1|2", 8);
  plan.space.schedules = {Schedule::one_f_one_b, Schedule::zb_h1};
  plan.space.shardings = {{ZeroStage::optimizer, 0}, {ZeroStage::parameters, 0}};
  plan.subject.capacity = 2.0 * unit::gigabyte;
  expect_whole_space_as_one_by_one(plan);
}

// By hand: 8 devices are (tp, pp, dp) = 2^a 2^b 2^c with a + b + c = 3: ten ways. gpt2 has 12
// layers, 14 with both ends: pp=1 has one vp; pp=2 seven; pp=4 three; pp=8 one.
TEST(LayoutSearch, EnumeratesWhatCanBeCountedByHand) {
  SmallPlan plan = small_plan("gpt2", "dgx-a100", 8, 16, 1024);
  std::erase_if(plan.space.layouts, [](const auto& layout) { return layout.context > 1; });
  // pp=1: tp 1, 2, 4, 8; pp=2: tp 1, 2, 4; pp=4: tp 1, 2; pp=8: tp 1.
  EXPECT_EQ(plan.space.layouts.size(), 4 * 1 + 3 * 7 + 2 * 3 + 1);
  EXPECT_EQ(plan.space.micro_batches.size(), 5U);  // 1, 2, 4, 8, 16
  // Others: 5 micro-batches, 6 schedules, sp on and off, 5 shardings, overlap on and off: 600.
  // Recomputations: none, selective, full and one less than the layers of a chunk: pp=1 14; pp=2 8,
  // 5, 4, 4, 4, 3, 3 for vp 1 to 7 (6, 3, 2, 2, 2, 1, 1 layers); pp=4 5, 4, 3; pp=8 4. With a
  // pipeline the least by stage is one more.
  const std::int64_t recomputations =
      4 * 14 + 3 * (9 + 6 + 5 + 5 + 5 + 4 + 4) + 2 * (6 + 5 + 4) + 5;
  EXPECT_EQ(size_of(plan.space, plan.subject.model.layers), 600 * recomputations);
  const SearchResult result = walk_all(plan);
  EXPECT_EQ(result.enumerated, 600 * recomputations);
  EXPECT_EQ(result.enumerated, sum_of_rejects(result) + result.evaluated);
  // tp=8 does not divide gpt2's 12 heads: one layout, 14 recomputations.
  EXPECT_EQ(result.rejected[static_cast<std::size_t>(Reject::heads)], 600 * 14);
}

TEST(LayoutSearch, GivingUpEarlyLosesNoneOfTheBest) {
  const SmallPlan plan = small_plan("gpt2", "dgx-a100", 16, 64, 1024);
  const SearchResult all = walk_all(plan);
  const Seconds bound = bound_of(plan.subject, plan.space, 5);
  const SearchResult pruned = walk_all(plan, bound);
  EXPECT_GT(pruned.rejected[static_cast<std::size_t>(Reject::lower_bound)], 0);
  EXPECT_LT(pruned.evaluated, all.evaluated);
  EXPECT_EQ(fastest(pruned, 5), fastest(all, 5));
}

// The same where waiting for the host depends on recomputation and sharding.
TEST(LayoutSearch, GivingUpEarlyLosesNoneOfTheBestThatOffload) {
  for (const char* software : {"megatron-core", "deepspeed", "maxtext"}) {
    SmallPlan plan = offloading_plan(software, 8);
    plan.space.recompute.every_block = false;
    plan.space.layouts = parse_layouts("tp=1|2,pp=1|2|4", 8);
    plan.subject.capacity = 2.2 * unit::gigabyte;
    const SearchResult all = walk_all(plan);
    ASSERT_FALSE(all.best.empty());
    EXPECT_EQ(fastest(walk_all(plan, bound_of(plan.subject, plan.space, 3)), 3), fastest(all, 3));
    for (const Offload& offload : every_offload()) {
      SmallPlan one = plan;
      one.space.offloads = {offload};
      const auto best = fastest(walk_all(one), 2);
      if (!best.empty()) {
        EXPECT_EQ(fastest(walk_all(one, best.back().step_time), best.size()), best)
            << software << ' ' << text_of(offload);
      }
    }
  }
}

// Nothing that is as fast as the limit is given up, whatever its schedule.
TEST(LayoutSearch, GivesUpOnlyWhatIsSlower) {
  const SmallPlan plan = small_plan("gpt2", "dgx-a100", 16, 64, 1024);
  const SearchResult all = walk_all(plan);
  for (const std::size_t rank : {1U, 3U, 10U, 30U}) {
    const auto best = fastest(all, rank);
    ASSERT_EQ(best.size(), rank);
    EXPECT_EQ(fastest(walk_all(plan, best.back().step_time), rank), best) << rank;
  }
  for (const Schedule schedule : every_schedule()) {
    SmallPlan one = plan;
    one.space.schedules = {schedule};
    const auto best = fastest(walk_all(one), 3);
    EXPECT_EQ(fastest(walk_all(one, best.back().step_time), best.size()), best)
        << name_of(schedule);
  }
}

TEST(LayoutSearch, PartsJoinedAreTheWhole) {
  const SmallPlan plan = small_plan("gpt2", "dgx-a100", 8, 32, 1024);
  const SearchResult whole = walk_all(plan);
  for (const std::size_t parts : {2U, 3U}) {
    SearchResult joined;
    for (std::size_t part = 0; part < parts; ++part) {
      LayoutSearch search(plan.subject, plan.space);
      SearchResult one;
      for (std::size_t i = part; i < plan.space.layouts.size(); i += parts) {
        search.walk(plan.space.layouts[i], Seconds::infinite(), one);
      }
      joined.merge(search_result_from(to_text(one)));
    }
    EXPECT_EQ(joined.enumerated, whole.enumerated);
    EXPECT_EQ(joined.evaluated, whole.evaluated);
    EXPECT_EQ(joined.rejected, whole.rejected);
    EXPECT_EQ(joined.not_modelled, whole.not_modelled);
    EXPECT_EQ(joined.best, whole.best);
    EXPECT_EQ(joined.front, whole.front);
    EXPECT_EQ(joined.smallest, whole.smallest);
  }
}

// Threads share the layouts as ranks do, and a limit that falls while they walk.
TEST(LayoutSearch, FindsTheSameOnAnyNumberOfThreads) {
  const SmallPlan plan = small_plan("gpt2", "dgx-a100", 16, 64, 1024);
  const Seconds bound = bound_of(plan.subject, plan.space, 5);
  const SearchResult whole = walk_all(plan, bound);
  for (const std::size_t threads : {1U, 2U, 5U}) {
    EXPECT_EQ(bound_of(plan.subject, plan.space, 5, threads), bound);
    std::int64_t walked = 0;
    std::int64_t candidates = 0;
    const auto count = [&](std::int64_t layouts, std::int64_t enumerated) {
      EXPECT_GT(layouts, walked);
      walked = layouts;
      candidates = enumerated;
    };
    const SearchResult joined =
        walk_layouts(plan.subject,
                     plan.space,
                     plan.space.layouts,
                     {.give_up_at = bound, .threads = threads, .progress = count});
    EXPECT_GT(walked, 0);
    EXPECT_TRUE(threads > 1 ||
                (walked == std::ssize(plan.space.layouts) && candidates == joined.enumerated));
    EXPECT_EQ(joined.enumerated, whole.enumerated);
    EXPECT_EQ(joined.rejected, whole.rejected);
    EXPECT_EQ(joined.best, whole.best);
    EXPECT_EQ(joined.front, whole.front);
    EXPECT_EQ(joined.smallest, whole.smallest);
  }
}

TEST(LayoutSearch, PassesOnWhatAThreadThrows) {
  SmallPlan plan = small_plan("gpt2", "dgx-a100", 16, 64, 1024);
  plan.subject.overheads = [](const ParallelLayout& layout) -> MemoryOverheads {
    if (layout.tensor == 4) {
      throw std::runtime_error("no such device");
    }
    return {};
  };
  EXPECT_THROW(
      static_cast<void>(walk_layouts(plan.subject, plan.space, plan.space.layouts, {.threads = 3})),
      std::runtime_error);
}

TEST(LayoutSearch, KeepsWhatIsNeitherSlowerNorLargerThanAnother) {
  const SmallPlan plan = small_plan("llama-3-8b", "dgx-h100", 16, 32, 4096);
  const SearchResult result = walk_all(plan);
  ASSERT_GT(result.front.size(), 1U);
  EXPECT_EQ(result.front.front(), fastest(result, 1).front());
  for (std::size_t i = 1; i < result.front.size(); ++i) {
    EXPECT_GT(result.front[i].step_time, result.front[i - 1].step_time);
    EXPECT_LT(result.front[i].memory, result.front[i - 1].memory);
  }
}

}  // namespace
}  // namespace forerun
