// Bad days: kernels that fail, lie or write nonsense become named gaps, and the rest is measured.
#include "estimator/measure/measure.hpp"

#include <atomic>
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "comm/serial/serial_communicator.hpp"
#include "estimator/profile/profile_json.hpp"
#include "jobs/read_model.hpp"
#include "tests/fake/faulty_device.hpp"

namespace forerun {
namespace {

using Fault = FaultyDevice::Fault;
using testing::Contains;
using testing::HasSubstr;

class Measuring : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    out_ = (std::filesystem::temp_directory_path() /
            (std::string("forerun_measuring_") + test->name() + ".json"))
               .string();
    options_.out = out_;
    options_.budget = 20.0 * unit::second;
    options_.what = MeasureOptions::What::kernels;
    Job job;
    job.model = read_model("gpt2");
    job.model.hidden = 64;
    job.model.ffn_hidden = 256;
    job.model.vocabulary = 500;
    job.model.attention.heads = 4;
    job.model.attention.kv_heads = 4;
    job.model.attention.head_size = 16;
    job.recipe.precision = Precision::fp32;
    job.recipe.sequence = 16;
    options_.jobs = {job};
  }

  void TearDown() override {
    std::filesystem::remove(out_);
    std::filesystem::remove(out_ + ".journal");
  }

  Profile run() {
    std::ostringstream progress;
    return measure(options_, {device_, world_, world_}, {progress});
  }

  void set_fault(KernelOp op, Fault fault) {
    device_.fault = [op, fault](const KernelKey& key) {
      return key.op == op ? fault : Fault::none;
    };
  }

  // Exactly the keys of `op` are missing, each with the reason; the profile on disk is whole.
  void expect_gap(KernelOp op, const char* reason) {
    const Profile profile = run();
    EXPECT_FALSE(profile.skipped.empty());
    for (const std::string& skipped : profile.skipped) {
      if (skipped.starts_with("factor of a layer: ")) {
        EXPECT_THAT(skipped, HasSubstr(std::string(name_of(op))));  // of which it is one
        continue;
      }
      EXPECT_TRUE(skipped.starts_with(name_of(op)) || skipped.starts_with("a layer of "))
          << skipped;
      EXPECT_THAT(skipped, HasSubstr(reason));
    }
    EXPECT_GT(profile.kernels.size(), 10U);
    for (const KernelRecord& record : profile.kernels) {
      EXPECT_NE(record.key.op, op);
    }
    EXPECT_EQ(read_profile(out_).kernels.size(), profile.kernels.size());
  }

  std::string out_;
  MeasureOptions options_;
  FaultyDevice device_;
  SerialCommunicator world_;
};

TEST_F(Measuring, RecordsWhatIsInOrder) {
  const Profile profile = run();
  EXPECT_TRUE(profile.skipped.empty());
  const Profile read = read_profile(out_);
  ASSERT_FALSE(read.kernels.empty());
  const KernelRecord& record = read.kernels.front();
  EXPECT_EQ(record.timing.median, 1e-3 * unit::second);
  EXPECT_EQ(record.hot, 1e-3 * unit::second);
  EXPECT_EQ(record.algorithm, "made up");
  EXPECT_THAT(record.timing.rank_medians, testing::ElementsAre(1e-3 * unit::second));
  EXPECT_EQ(read.sustained_factor, 1.0);  // loaded or not, the made-up time is the same
}

TEST_F(Measuring, NamesWhatTheDeviceRefuses) {
  set_fault(KernelOp::gelu_forward, Fault::refuses);
  expect_gap(KernelOp::gelu_forward, "is too hard");
}

TEST_F(Measuring, GoesOnAfterAKernelThatThrows) {
  set_fault(KernelOp::attention_backward, Fault::throws);
  expect_gap(KernelOp::attention_backward, "the library said no");
}

TEST_F(Measuring, GoesOnAfterAKernelWithoutMemory) {
  set_fault(KernelOp::embedding_forward, Fault::lacks_memory);
  expect_gap(KernelOp::embedding_forward, "out of memory");
}

TEST_F(Measuring, RefusesNan) {
  set_fault(KernelOp::layer_norm_forward, Fault::writes_nan);
  expect_gap(KernelOp::layer_norm_forward, "y[0] is NaN or was not written");
}

TEST_F(Measuring, SeesAnElementThatWasNotWritten) {
  set_fault(KernelOp::gelu_forward, Fault::skips_last);
  expect_gap(KernelOp::gelu_forward, "y[4095] is NaN or was not written");  // 16 x 256
}

TEST_F(Measuring, RefusesARateThatTheDeviceCannotReach) {
  device_.time = [](const KernelKey& key) {
    return (key.op == KernelOp::attention_forward ? 1e-9 : 1e-2) * unit::second;
  };
  expect_gap(KernelOp::attention_forward, "implausible");
}

TEST_F(Measuring, RefusesBytesThatTheMemoryCannotMove) {
  device_.fastest_memory = 1e9 * unit::byte / unit::second;
  device_.time = [](const KernelKey& key) {  // a GELU of 16 x 256 reads and writes 32 KiB
    return (key.op == KernelOp::gelu_forward ? 3e-5 : 1.0) * unit::second;
  };
  expect_gap(KernelOp::gelu_forward,
             "implausible: 32 KiB in 30 us, which takes the device 32.8 us");
}

// All weights at once are the largest: four arrays of 698,240 fp32. Buffers that make way count as
// free.
TEST_F(Measuring, NamesWhatThereIsNoRoomFor) {
  device_.free_memory = 100.0 * unit::kibibyte;
  const Profile profile = run();
  EXPECT_THAT(profile.skipped,
              Contains(testing::AllOf(HasSubstr("adamw fp32 elements=698240: "),
                                      HasSubstr("out of memory: needs 10.7 MiB more, "),
                                      HasSubstr(" KiB are free"))));
  EXPECT_FALSE(profile.kernels.empty());
  EXPECT_LE(device_.allocated_bytes, 4 * profile.kernels.size() * 100 * 1024);
}

TEST_F(Measuring, ReadsTheClockWithEachRecord) {
  device_.clock = 2.5e9;
  (void)run();
  for (const KernelRecord& record : read_profile(out_).kernels) {
    EXPECT_EQ(record.clock_hz, 2.5e9);
  }
}

// Products slow down by 1.3 once a thousand of them have run, as a device does that grows hot.
TEST_F(Measuring, ComparesALoadOfSecondsWithABurst) {
  int products = 0;
  device_.time = [&products](const KernelKey& key) {
    products += key.op == KernelOp::gemm ? 1 : 0;
    const bool is_hot = key.op == KernelOp::gemm && products > 1000;
    return (is_hot ? 1.3e-3 : 1e-3) * unit::second;
  };
  options_.budget = 200.0 * unit::second;
  EXPECT_NEAR(run().sustained_factor.value_or(0.0), 1.3, 1e-6);  // over the ranks in fp32
}

// The made-up device takes no time at all, and the clock some.
TEST_F(Measuring, RepeatsALayerToSeeHowRanksDriftApart) {
  const Profile profile = run();
  ASSERT_FALSE(profile.noise.empty());
  for (std::size_t i = 0; i < profile.noise.size(); ++i) {
    EXPECT_EQ(profile.noise[i].ranks, 1);
    EXPECT_GT(profile.noise[i].excess, -0.5);
    if (i > 0) {
      EXPECT_NEAR(profile.noise[i].work / profile.noise[i - 1].work, 2.0, 0.1);
    }
  }
  EXPECT_EQ(read_profile(out_).noise, profile.noise);
}

TEST_F(Measuring, StopsWhenAskedWithAWholeProfile) {
  std::atomic<bool> stop = false;
  int timings = 0;
  device_.time = [&](const KernelKey&) {
    stop = ++timings > 20;
    return 1e-3 * unit::second;
  };
  options_.stop = &stop;
  options_.budget = Seconds::infinite();
  const Profile profile = run();
  EXPECT_FALSE(profile.kernels.empty());
  EXPECT_THAT(profile.skipped, Contains(HasSubstr(": interrupted")));
  EXPECT_EQ(read_profile(out_).skipped, profile.skipped);
}

TEST_F(Measuring, MeasuresOneKernelWhateverTheBudget) {
  options_.budget = Seconds();
  const Profile profile = run();
  EXPECT_EQ(profile.kernels.size(), 1U);
  EXPECT_GT(profile.skipped.size(), 10U);
  for (const std::string& skipped : profile.skipped) {
    EXPECT_THAT(skipped, HasSubstr("time budget"));
  }
  EXPECT_THAT(profile.skipped, Contains(HasSubstr("over and over: ")));
}

TEST_F(Measuring, TakesItsOrderFromTheSeed) {
  const auto keys_with = [&](std::uint64_t seed) {
    options_.seed = seed;
    std::vector<std::string> keys;
    for (const KernelRecord& record : run().kernels) {
      keys.push_back(text_of(record.key));
    }
    return keys;
  };
  const auto first = keys_with(1);
  EXPECT_EQ(keys_with(1), first);
  const auto other = keys_with(2);
  EXPECT_NE(other, first);
  EXPECT_THAT(other, testing::UnorderedElementsAreArray(first));
}

}  // namespace
}  // namespace forerun
