// Laws of offloading, over random jobs, layouts, schedules, shardings and ways to update.
#include <array>

#include <gtest/gtest.h>

#include "jobs/offload.hpp"
#include "tests/estimator/step/random_jobs.hpp"

namespace forerun {
namespace {

constexpr int offloading_jobs = 60;
const HostLink slow_link{1e8 * unit::byte / unit::second, 1e9 * unit::byte / unit::second, 0.1};

StepEstimate offloaded_step(const Job& job, const HostLink& link, Overlap overlap = Overlap::on) {
  return estimate_step(job, {4}, prices_of({}), {overlap, host_overheads(), {Seconds(), link}});
}

double offloaded_seconds(const Job& job, const HostLink& link, Overlap overlap = Overlap::on) {
  return total_of(offloaded_step(job, link, overlap).breakdown).in(unit::second);
}

// Every way to offload each of some random jobs, with each way to update.
template <class Law>
void for_random_jobs(unsigned seed, Law law) {
  RandomJobs random(seed);
  int offloaded = 0;
  for (int i = 0; i < offloading_jobs; ++i) {
    const Job none = random.next();
    for (const Offload& offload : every_offload()) {
      for (const OffloadedUpdate update :
           {OffloadedUpdate::device, OffloadedUpdate::host, OffloadedUpdate::host_with_gradients}) {
        Job job = none;
        job.recipe.offload = offload;
        job.recipe.software.offloaded_update = update;
        if (offload.any() && !unsupported_because(job)) {
          ++offloaded;
          law(none, job);
        }
      }
    }
  }
  EXPECT_GT(offloaded, 5 * offloading_jobs);
}

TEST(OffloadLaws, AFasterLinkIsNeverSlower) {
  for_random_jobs(31, [](const Job&, const Job& job) {
    for (const Overlap overlap : {Overlap::on, Overlap::off}) {
      const double before = offloaded_seconds(job, slow_link, overlap);
      HostLink faster = slow_link;
      faster.rate *= 3.0;
      EXPECT_LE(offloaded_seconds(job, faster, overlap), before * (1.0 + 1e-12)) << text_of(job);
      HostLink streaming = slow_link;
      streaming.stream *= 3.0;
      EXPECT_LE(offloaded_seconds(job, streaming, overlap), before * (1.0 + 1e-12)) << text_of(job);
    }
  });
}

TEST(OffloadLaws, AnInfiniteLinkExposesNothing) {
  HostLink infinite = slow_link;
  infinite.rate = BytesPerSecond::infinite();
  for_random_jobs(32, [&](const Job& none, const Job& job) {
    const StepBreakdown parts = offloaded_step(job, infinite).breakdown;
    EXPECT_EQ(parts.offload, Seconds()) << text_of(job);
    const bool same_update = !job.recipe.offload.optimizer ||
                             job.recipe.software.offloaded_update == OffloadedUpdate::device;
    if (same_update) {
      EXPECT_DOUBLE_EQ(total_of(parts).in(unit::second), offloaded_seconds(none, slow_link))
          << text_of(job);
    }
  });
}

TEST(OffloadLaws, NoDeviceHoldsMore) {
  for_random_jobs(33, [](const Job& none, const Job& job) {
    const auto before = offloaded_step(none, slow_link).memory;
    const auto after = offloaded_step(job, slow_link).memory;
    for (std::size_t stage = 0; stage < before.size(); ++stage) {
      EXPECT_LE(total_of(after[stage]), total_of(before[stage]) * (1.0 + 1e-12))
          << text_of(job) << " offload " << text_of(job.recipe.offload) << " stage " << stage;
      EXPECT_EQ(before[stage].host, Bytes());
      EXPECT_GT(after[stage].host, Bytes());
    }
  });
}

TEST(OffloadLaws, OverlapIsNeverSlowerAndPartsAreNotNegative) {
  for_random_jobs(34, [](const Job&, const Job& job) {
    EXPECT_LE(offloaded_seconds(job, slow_link, Overlap::on),
              offloaded_seconds(job, slow_link, Overlap::off) * (1.0 + 1e-12))
        << text_of(job) << " offload " << text_of(job.recipe.offload);
    EXPECT_GE(offloaded_step(job, slow_link).breakdown.offload, Seconds()) << text_of(job);
  });
}

// Whatever the link: what is not used costs nothing.
TEST(OffloadLaws, NothingOffloadedIsAsBefore) {
  RandomJobs random(35);
  for (int i = 0; i < 200; ++i) {
    const Job job = random.next();
    const StepEstimate with_link = offloaded_step(job, slow_link);
    const StepEstimate without = offloaded_step(job, {});
    EXPECT_EQ(total_of(with_link.breakdown), total_of(without.breakdown)) << text_of(job);
    EXPECT_EQ(with_link.breakdown.offload, Seconds());
    for (std::size_t stage = 0; stage < without.memory.size(); ++stage) {
      EXPECT_EQ(total_of(with_link.memory[stage]), total_of(without.memory[stage]));
      EXPECT_EQ(with_link.memory[stage].host, Bytes());
    }
  }
}

}  // namespace
}  // namespace forerun
