#include "estimator/rehearse/machine_speed.hpp"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "comm/serial/serial_communicator.hpp"
#include "estimator/rehearse/prediction.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "tests/fake/faulty_device.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

class MachineSpeeds : public testing::Test {
 protected:
  MachineSpeeds() {
    job_.recipe.precision = Precision::fp32;
    for (const KernelKey& key : work_keys(job_, {1}).kernels) {
      KernelRecord record;
      record.key = key;
      record.timing.median = 1.0 * unit::millisecond;
      profile_.kernels.push_back(record);
    }
  }

  std::optional<MachineSpeed> speed(Seconds budget = 3.0 * unit::second) {
    PriceList prices;
    prices.kernel = [this](const KernelKey& key) {
      const auto found = std::ranges::find(profile_.kernels, key, &KernelRecord::key);
      return Price{found == profile_.kernels.end() ? others_ : found->timing.median,
                   Tier::interpolated,
                   0.0};
    };
    return speed_now({device_, world_, world_}, job_, {1}, {profile_, prices}, budget);
  }

  Seconds others_;  ///< what kernels beside the profile's are priced at
  Job job_ = small_llama({});
  Profile profile_;
  FaultyDevice device_;
  SerialCommunicator world_;
};

TEST_F(MachineSpeeds, AreWhatTheLongestKernelsTakeNow) {
  EXPECT_NEAR(speed()->factor, 1.0, 1e-9);
  device_.time = [](const KernelKey&) { return 1.25 * unit::millisecond; };
  const auto slower = speed();
  ASSERT_TRUE(slower);
  EXPECT_NEAR(slower->factor, 1.25, 1e-9);
  EXPECT_LE(slower->kernels, 8);
  EXPECT_GT(slower->share, 0.2);
  EXPECT_LE(slower->share, 1.0);
}

// Of two kernels, one eight times as long in all: 8 x 2 + 1 x 1 of what was 9.
TEST_F(MachineSpeeds, WeighKernelsByTheirTime) {
  KernelRecord& longest = profile_.kernels.front();
  profile_.kernels.resize(2);
  std::map<KernelKey, double> calls;
  for (const ChunkWork& chunk : stage_work(job_, {1}, 0).chunks) {
    for (const auto* items : {&chunk.forward, &chunk.backward}) {
      for (const WorkItem& item : *items) {
        if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
          calls[kernel->key] += 1.0;
        }
      }
    }
  }
  const double each = 1e-3 * calls.at(profile_.kernels.back().key) / calls.at(longest.key);
  longest.timing.median = 8.0 * each * unit::second;
  const KernelKey key = longest.key;
  device_.time = [&](const KernelKey& one) {
    return one == key ? 16.0 * each * unit::second : 1e-3 * unit::second;
  };
  const auto both = speed();
  ASSERT_TRUE(both);
  // 80 % of the time is enough.
  EXPECT_EQ(both->kernels, 1);
  EXPECT_NEAR(both->factor, 2.0, 1e-9);
  EXPECT_NEAR(both->share, 8.0 / 9.0, 1e-9);
}

// A round in which a neighbour works.
TEST_F(MachineSpeeds, AreThoseOfTheMiddleRound) {
  profile_.kernels.resize(1);
  int runs = 0;
  device_.time = [&](const KernelKey&) { return (runs < 6 ? 5.0 : 1.1) * unit::millisecond; };
  device_.on_timing = [&](CacheState cache, int count) {
    runs += cache == CacheState::cold ? count : 0;
  };
  EXPECT_NEAR(speed()->factor, 1.1, 1e-9);
}

TEST_F(MachineSpeeds, AreUnknownWithoutTimeOrMeasuredKernels) {
  EXPECT_FALSE(speed(14.0 * unit::millisecond));  // a kernel takes five in each of three rounds
  EXPECT_EQ(speed(31.0 * unit::millisecond)->kernels, 2);
  device_.fault = [](const KernelKey&) { return FaultyDevice::Fault::refuses; };
  EXPECT_FALSE(speed());
  device_.fault = [](const KernelKey&) { return FaultyDevice::Fault::none; };
  profile_.kernels.resize(1);
  EXPECT_TRUE(speed());
  others_ = 1.0 * unit::second;  // it is next to nothing of the step
  EXPECT_FALSE(speed());
  profile_.kernels.clear();
  EXPECT_FALSE(speed());
}

TEST(Prediction, TakesKernelsAsTheyRunNowAndSaysWhatTheProfileSaid) {
  EstimateRequest request;
  request.job = small_llama({.data = 2});
  request.hardware = sized_for(read_hardware("cpu-cascade-lake"), 2);
  request.overlap = Overlap::off;
  const ModelShape whole = request.job.model;
  const PredictedRun before = predict_run(request, whole);
  const PredictedRun now = predict_run(request, whole, MachineSpeed{2.0, 8, 0.8});
  const StepBreakdown& a = before.estimate.breakdown;
  const StepBreakdown& b = now.estimate.breakdown;
  EXPECT_NEAR(b.compute / a.compute, 2.0, 1e-9);
  EXPECT_NEAR(b.optimizer / a.optimizer, 2.0, 1e-9);
  EXPECT_EQ(b.data_parallel, a.data_parallel);
  EXPECT_EQ(before.as_profiled, predicted_step(before));
  EXPECT_NEAR(now.as_profiled / before.as_profiled, 1.0, 1e-12);
  EXPECT_NEAR(now.forward / before.forward, 2.0, 1e-9);
}

}  // namespace
}  // namespace forerun
