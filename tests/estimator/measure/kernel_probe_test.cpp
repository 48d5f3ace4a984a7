// How one key is timed, by itself and on real ranks, on a device whose times are made up.
#include "estimator/measure/kernel_probe.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/mpi/mpi_communicator.hpp"
#include "estimator/measure/sustained_load.hpp"
#include "tests/fake/faulty_device.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr const char* product = "gemm fp32 m=64 n=96 k=128 nt";

class Probe : public testing::Test {
 protected:
  KernelRecord record_of(const char* text, const ProbeLimits& limits) {
    const auto result =
        probe_kernel({device_, world_, arena_}, kernel_key_from(text).value(), limits);
    const auto* const record = std::get_if<KernelRecord>(&result);
    if (record == nullptr) {
      ADD_FAILURE() << std::get<std::string>(result);
      return {};
    }
    return *record;
  }

  FaultyDevice device_;
  MpiCommunicator world_;
  OperandArena arena_{device_};
};

TEST_F(Probe, SamplesWithColdCachesUntilSettledThenAFewHotOnes) {
  std::vector<std::pair<CacheState, int>> asked;
  device_.on_timing = [&asked](CacheState cache, int count) { asked.emplace_back(cache, count); };
  device_.time = [&asked](const KernelKey&) {
    return (asked.back().first == CacheState::cold ? 2e-3 : 1e-3) * unit::second;
  };
  const KernelRecord record = record_of(product, {.time = 10.0 * unit::second});
  EXPECT_EQ(record.timing.median, 2e-3 * unit::second);
  EXPECT_EQ(record.hot, 1e-3 * unit::second);
  EXPECT_FALSE(record.timing.is_unsettled);
  // Equal times settle at the first look at ten or more.
  EXPECT_EQ(record.timing.samples, 13);
  ASSERT_EQ(asked.back(), std::pair(CacheState::hot, 5));
  asked.pop_back();
  EXPECT_TRUE(
      std::ranges::all_of(asked, [](const auto& one) { return one.first == CacheState::cold; }));
}

TEST_F(Probe, FlagsWhatDoesNotSettleBeforeTheCap) {
  int runs = 0;
  device_.time = [&runs](const KernelKey&) {
    constexpr int modes = 2;
    return (++runs % modes == 0 ? 1.5e-3 : 1e-3) * unit::second;
  };
  const KernelRecord record =
      record_of(product, {.time = 10.0 * unit::second, .tolerance = 0.01, .samples = 40});
  EXPECT_EQ(record.timing.samples, 43);  // batches of five after the first three
  EXPECT_TRUE(record.timing.is_unsettled);
  EXPECT_TRUE(record.timing.is_spread);
}

// Mean 0, deviation 1, hardly any value twice; every element that is written starts as NaN.
TEST_F(Probe, ReadsNormalValuesAndWritesOverNan) {
  bool is_first = true;
  device_.before_run = [&is_first](const KernelKey& key, std::span<void* const> operands) {
    if (!std::exchange(is_first, false)) {
      return;
    }
    const auto list = operands_of(key);
    for (std::size_t i = 0; i < list.size(); ++i) {
      std::vector<float> values(static_cast<std::size_t>(list[i].elements));
      std::memcpy(values.data(), operands[i], values.size() * sizeof(float));
      if (list[i].access == Access::write) {
        EXPECT_TRUE(std::ranges::all_of(values, [](float x) { return std::isnan(x); }));
        continue;
      }
      double sum = 0.0;
      double squares = 0.0;
      for (const float x : values) {
        sum += x;
        squares += static_cast<double>(x) * x;
      }
      const auto n = static_cast<double>(values.size());
      // Four standard errors of a mean of n, and of a mean of squares (variance 2).
      EXPECT_NEAR(sum / n, 0.0, 4.0 / std::sqrt(n)) << list[i].name;
      EXPECT_NEAR(squares / n, 1.0, 4.0 * std::sqrt(2.0 / n)) << list[i].name;
      std::ranges::sort(values);
      const auto repeated = std::ranges::unique(values);
      EXPECT_LT(static_cast<double>(repeated.size()), 0.01 * n) << list[i].name;
    }
  };
  (void)record_of(product, {.time = Seconds()});
  EXPECT_FALSE(is_first);
}

// Rank r takes r + 1 ms, its clock is r + 1 GHz.
TEST_F(Probe, KeepsTheSlowestRankAndTheMediansOfAll) {
  const double place = world_.rank() + 1.0;
  device_.time = [place](const KernelKey&) { return place * 1e-3 * unit::second; };
  device_.clock = place * 1e9;
  const KernelRecord record = record_of(product, {.time = Seconds()});
  const double slowest = world_.size();
  EXPECT_EQ(record.timing.median, slowest * 1e-3 * unit::second);
  EXPECT_EQ(record.hot, slowest * 1e-3 * unit::second);
  EXPECT_EQ(record.clock_hz, 1e9);
  EXPECT_DOUBLE_EQ(record.timing.rank_spread, (slowest - 1.0) / slowest);
  ASSERT_EQ(std::ssize(record.timing.rank_medians), world_.size());
  for (int rank = 0; rank < world_.size(); ++rank) {
    EXPECT_EQ(record.timing.rank_medians[static_cast<std::size_t>(rank)],
              (rank + 1.0) * 1e-3 * unit::second);
  }
}

TEST_F(Probe, NamesTheRankThatLacksRoom) {
  const int last = world_.size() - 1;
  if (world_.rank() == last) {
    device_.free_memory = 1.0 * unit::kibibyte;
  }
  const auto result = probe_kernel(
      {device_, world_, arena_}, kernel_key_from(product).value(), {.time = Seconds()});
  const auto* const reason = std::get_if<std::string>(&result);
  ASSERT_NE(reason, nullptr);
  const std::string who = world_.size() == 1 ? "" : "rank " + std::to_string(last) + ": ";
  // 64 x 128, 96 x 128 and 64 x 96 floats.
  EXPECT_EQ(*reason, who + "out of memory: needs 104 KiB more, 1 KiB are free");
  EXPECT_EQ(device_.allocated_bytes, 0U);  // on no rank
}

// What is held already counts as free for a larger buffer in its place.
TEST_F(Probe, CountsBuffersThatMakeWay) {
  (void)record_of(product, {.time = Seconds()});
  device_.free_memory = 1.0 * unit::kibibyte;
  EXPECT_EQ(arena_.lacks_room(kernel_key_from(product).value()), "");
  EXPECT_NE(arena_.lacks_room(kernel_key_from("gemm fp32 m=64 n=96 k=256 nt").value()), "");
  device_.free_memory = 80.0 * unit::kibibyte;  // 32 and 48 KiB more than before
  EXPECT_EQ(arena_.lacks_room(kernel_key_from("gemm fp32 m=64 n=96 k=256 nt").value()), "");
}

// A stop between two runs of a kernel that takes long: no further one starts but the hot one.
TEST_F(Probe, StopsBetweenTheRunsOfALongKernel) {
  std::atomic<bool> stop = false;
  int cold = 0;
  int hot = 0;
  device_.on_timing = [&](CacheState cache, int count) {
    (cache == CacheState::cold ? cold : hot) += count;
    stop = true;
  };
  device_.time = [](const KernelKey&) { return 20.0 * unit::second; };
  const KernelRecord record = record_of(product, {.time = Seconds(), .stop = &stop});
  EXPECT_EQ(cold, 1);
  EXPECT_EQ(hot, 1);
  EXPECT_EQ(record.timing.median, 20.0 * unit::second);
  EXPECT_TRUE(record.timing.is_unsettled);
}

TEST_F(Probe, WarmsUpForATenthOfASecond) {
  using Clock = std::chrono::steady_clock;
  int runs = 0;
  device_.on_run = [&runs] { ++runs; };
  const auto start = Clock::now();
  warm_up_device(device_, arena_, kernel_key_from(product).value());
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(100));
  EXPECT_GE(runs, 3);
}

// The first key may take 20 s a run: a budget of a minute must not be gone before it is timed.
TEST_F(Probe, WarmsUpWithOneRunOfALongKernel) {
  int runs = 0;
  device_.on_run = [&runs] {
    ++runs;
    std::this_thread::sleep_for(std::chrono::milliseconds(110));
  };
  warm_up_device(device_, arena_, kernel_key_from(product).value());
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace forerun
