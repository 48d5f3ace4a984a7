// Laws that any cost model obeys, over random jobs, layouts, schedules and shardings.
#include <algorithm>
#include <array>
#include <random>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "estimator/step/step_time.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/pipeline_cases.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Speeds {
  double flop_per_s = 1e12;
  double byte_per_s = 1e11;
  double wire_byte_per_s = 1e9;
};

// Kernels at a roofline, collectives at a fixed wire rate and latency.
PriceList prices_of(Speeds speeds) {
  return {[=](const KernelKey& key) {
            const double seconds =
                1e-7 + std::max(hardware_flops(key).in(unit::flop) / speeds.flop_per_s,
                                minimum_traffic(key).in(unit::byte) / speeds.byte_per_s);
            return Price{seconds * unit::second, Tier::measured, 0.01};
          },
          [=](const CollectiveKey& key) {
            const double seconds = 1e-6 + wire_bytes(key) / speeds.wire_byte_per_s;
            return Price{seconds * unit::second, Tier::fitted, 0.2};
          }};
}

class RandomJobs {
 public:
  explicit RandomJobs(unsigned seed) : random_(seed) {}

  // Legal and supported.
  Job next() {
    for (;;) {
      Job job = anything();
      if (!illegal_because(job) && !unsupported_because(job)) {
        return job;
      }
    }
  }

 private:
  template <typename T, std::size_t Count>
  T one_of(const std::array<T, Count>& choices) {
    return choices.at(std::uniform_int_distribution<std::size_t>(0, Count - 1)(random_));
  }

  Job anything() {
    constexpr auto degrees = std::to_array<std::int64_t>({1, 2, 4});
    Job job = one_of(std::to_array({0, 1})) == 0 ? small_llama({}, 8) : small_gpt2({}, 8);
    job.layout.tensor = one_of(degrees);
    job.layout.pipeline = one_of(degrees);
    job.layout.virtual_pipeline = one_of(std::to_array<std::int64_t>({1, 1, 2}));
    job.layout.context = one_of(std::to_array<std::int64_t>({1, 1, 2}));
    job.layout.data = one_of(degrees);
    job.recipe.global_batch = one_of(std::to_array<std::int64_t>({8, 16, 32}));
    job.recipe.micro_batch = one_of(std::to_array<std::int64_t>({1, 2}));
    job.recipe.zero = one_of(std::to_array(
        {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::parameters}));
    job.recipe.recompute.kind = one_of(std::to_array({Recompute::none, Recompute::full}));
    job.recipe.schedule = one_of(all_schedules);
    job.recipe.tuning =
        one_of(std::to_array({Tuning::full, Tuning::full, Tuning::lora, Tuning::qlora}));
    job.recipe.adapters.rank = 2;
    job.recipe.sequence_parallel =
        one_of(std::to_array({SequenceParallel::off, SequenceParallel::on}));
    return job;
  }

  std::mt19937 random_;
};

std::string text_of(const Job& job) {
  const ParallelLayout& layout = job.layout;
  return fmt::format(
      "{} {} zero {} tp={} pp={} vp={} cp={} dp={} batch {} x {} recompute {} "
      "tuning {}",
      job.model.name,
      name_of(schedule_of(job)),
      static_cast<int>(job.recipe.zero),
      layout.tensor,
      layout.pipeline,
      layout.virtual_pipeline,
      layout.context,
      layout.data,
      job.recipe.global_batch,
      job.recipe.micro_batch,
      static_cast<int>(job.recipe.recompute.kind),
      name_of(job.recipe.tuning));
}

double seconds_of(const Job& job, Speeds speeds, Overlap overlap) {
  const StepEstimate step =
      estimate_step(job, {4}, prices_of(speeds), {overlap, host_overheads(), {}});
  return total_of(step.breakdown).in(unit::second);
}

constexpr int jobs = 300;

// Of a device whose arithmetic, memory or wire is faster.
TEST(StepLaws, NothingFasterMakesTheStepSlower) {
  RandomJobs random(11);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    for (const Overlap overlap : {Overlap::off, Overlap::on}) {
      const Speeds now;
      const double before = seconds_of(job, now, overlap);
      for (const double faster : {1.2, 2.0, 10.0}) {
        const std::array<Speeds, 3> better{
            Speeds{faster * now.flop_per_s, now.byte_per_s, now.wire_byte_per_s},
            Speeds{now.flop_per_s, faster * now.byte_per_s, now.wire_byte_per_s},
            Speeds{now.flop_per_s, now.byte_per_s, faster * now.wire_byte_per_s}};
        for (std::size_t which = 0; which < better.size(); ++which) {
          EXPECT_LE(seconds_of(job, better.at(which), overlap), before * (1.0 + 1e-12))
              << text_of(job) << ", faster by " << faster << " in " << which;
        }
      }
    }
  }
}

TEST(StepLaws, OverlapIsNeverSlower) {
  RandomJobs random(12);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    EXPECT_LE(seconds_of(job, {}, Overlap::on), seconds_of(job, {}, Overlap::off) * (1.0 + 1e-12))
        << text_of(job);
  }
}

TEST(StepLaws, PartsSumToTheWholeAndNoneIsNegative) {
  RandomJobs random(13);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    const StepBreakdown b =
        estimate_step(job, {4}, prices_of({}), {Overlap::on, host_overheads(), {}}).breakdown;
    for (const Seconds part : {b.compute,
                               b.recompute,
                               b.tensor_parallel,
                               b.context_parallel,
                               b.expert_parallel,
                               b.pipeline_p2p,
                               b.bubble,
                               b.data_parallel,
                               b.optimizer,
                               b.contention,
                               b.host}) {
      EXPECT_GE(part.in(unit::second), -1e-15) << text_of(job);
    }
    EXPECT_EQ(job.layout.context == 1, b.context_parallel == Seconds()) << text_of(job);
    EXPECT_TRUE(job.layout.tensor > 1 || b.tensor_parallel == Seconds()) << text_of(job);
    EXPECT_TRUE(job.layout.pipeline > 1 || b.bubble == Seconds()) << text_of(job);
  }
}

// With all devices in one node, ranks numbered otherwise are the same ranks.
TEST(StepLaws, PermutingEqualRanksChangesNothing) {
  RandomJobs random(14);
  for (int i = 0; i < jobs; ++i) {
    const Job job = random.next();
    Placement placement{64};
    const auto step = [&] {
      const StepEstimate estimate =
          estimate_step(job, placement, prices_of({}), {Overlap::on, host_overheads(), {}});
      return total_of(estimate.breakdown).in(unit::second);
    };
    const double before = step();
    for (const char* order : {"pp-tp-cp-ep-dp", "dp-tp-cp-ep-pp", "cp-dp-pp-ep-tp"}) {
      placement.rank_order = rank_order_from(order);
      EXPECT_DOUBLE_EQ(step(), before) << text_of(job) << " " << order;
    }
  }
}

}  // namespace
}  // namespace forerun
