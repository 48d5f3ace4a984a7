// Curves of collectives: laws found again, gaps filled, other groups told from neighbours.
#include "estimator/profile/collective_curves.hpp"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "estimator/profile/collective_prices.hpp"
#include "estimator/profile/gap_filling.hpp"
#include "tests/estimator/profile/made_profile.hpp"

namespace forerun {
namespace {

SizePoint point(double bytes, double seconds) {
  return {std::log(bytes), std::log(seconds)};
}

TEST(SizeLaw, IsFoundAgain) {
  std::vector<SizePoint> points;
  for (double bytes = 1024; bytes < 1e9; bytes *= 4) {
    points.push_back(point(bytes, 2e-5 + bytes / 2e11 + 5e-9 * std::sqrt(bytes)));
  }
  const auto law = fit_size_law(points);
  ASSERT_TRUE(law);
  EXPECT_NEAR(law->latency_s, 2e-5, 1e-9);
  EXPECT_NEAR(law->seconds_per_byte, 5e-12, 1e-16);
  EXPECT_NEAR(law->seconds_per_root_byte, 5e-9, 1e-13);
}

TEST(SizeLaw, HasNoNegativeTerm) {
  // Falling bandwidth: a free fit would have a negative root term.
  const std::vector<SizePoint> points{
      point(1e5, 1e-5), point(1e6, 2e-5), point(1e7, 3e-4), point(1e8, 5e-3)};
  const auto law = fit_size_law(points);
  ASSERT_TRUE(law);
  EXPECT_GE(law->latency_s, 0.0);
  EXPECT_GE(law->seconds_per_byte, 0.0);
  EXPECT_GE(law->seconds_per_root_byte, 0.0);
}

TEST(SizeLaw, NeedsThreeSizes) {
  EXPECT_FALSE(fit_size_law(std::vector<SizePoint>{point(1e5, 1e-5), point(1e6, 2e-5)}));
}

TEST(SizeCurve, TakesTheMeanOfASizeThatOccursTwice) {
  const SizeCurve curve({point(1e6, 4e-5), point(1e5, 1e-5), point(1e6, 1e-5)});
  ASSERT_EQ(curve.points().size(), 2U);
  EXPECT_NEAR(std::exp(curve.at(std::log(1e6))), 2e-5, 1e-15);
  // Twice the bytes of the last point, without a law: twice the time.
  EXPECT_NEAR(std::exp(curve.at(std::log(2e6))), 4e-5, 1e-15);
}

CollectiveRecord record(Collective op, std::int64_t bytes, GroupShape group, double seconds) {
  return {{op, bytes, DataType::bf16, group}, exactly(seconds * unit::second)};
}

// Rings of n ranks: (14 + 1.9 steps) us, and the load (wire + 0.8 touches) over 600 GB/s.
double ring_seconds(Collective op, double ranks, double bytes) {
  const double passes = op == Collective::all_reduce ? 2.0 : 1.0;
  const double touches = op == Collective::all_reduce ? (2.0 * ranks - 1.0) / ranks : 1.0;
  const double wire = passes * (ranks - 1.0) / ranks;
  return 1e-6 * (14.0 + 1.9 * passes * (ranks - 1.0)) + (wire + 0.8 * touches) * bytes / 6e11;
}

std::vector<CollectiveRecord> rings(std::initializer_list<std::int64_t> groups,
                                    std::initializer_list<Collective> ops) {
  std::vector<CollectiveRecord> records;
  for (const Collective op : ops) {
    for (const std::int64_t ranks : groups) {
      for (std::int64_t bytes = 1 << 12; bytes <= std::int64_t{1} << 28; bytes *= 4) {
        records.push_back(
            record(op,
                   bytes,
                   {ranks, ranks, 1},
                   ring_seconds(op, static_cast<double>(ranks), static_cast<double>(bytes))));
      }
    }
  }
  return records;
}

// A single size, half a gigabyte in three seconds: a six-hundredth of it takes no three seconds.
TEST(SizeCurve, ShrinksWithTheBytesBelowItsOnlySize) {
  const SizeCurve curve({{std::log(512e6), std::log(3.0)}});
  EXPECT_NEAR(std::exp(curve.at(std::log(0.8e6))), 3.0 * 0.8 / 512.0, 1e-9);
  EXPECT_NEAR(std::exp(curve.at(std::log(1024e6))), 6.0, 1e-9);
  // Of a small message half the time is latency: 8 us at 1 KiB are 4 + 4 / 4 at a quarter.
  const SizeCurve small({{std::log(1024.0), std::log(8e-6)}});
  EXPECT_NEAR(std::exp(small.at(std::log(256.0))), 5e-6, 1e-15);
}

TEST(Transferred, FindsAnotherGroupOfARing) {
  const CollectiveCurves curves(rings({2, 4}, {Collective::all_gather}));
  for (const std::int64_t bytes : {1 << 14, 1 << 20, 1 << 26}) {
    const auto price = curves.price({Collective::all_gather, bytes, DataType::bf16, {8, 8, 1}});
    ASSERT_TRUE(price);
    EXPECT_EQ(price->tier, Tier::fitted);
    const double truth = ring_seconds(Collective::all_gather, 8.0, static_cast<double>(bytes));
    EXPECT_NEAR(price->time.in(unit::second) / truth, 1.0, 0.03) << bytes;
  }
}

// All-to-all at 8 ranks where all-gather is measured there and both at 4: on this machine an
// all-to-all takes twice what an all-gather does, and that is carried over.
TEST(Transferred, CarriesWhatTheSameStepIsWrongByElsewhere) {
  auto records = rings({4, 8}, {Collective::all_gather});
  for (const CollectiveRecord& gather : rings({4}, {Collective::all_gather})) {
    CollectiveRecord exchange = gather;
    exchange.key.op = Collective::all_to_all;
    exchange.timing = exactly(2.0 * gather.timing.median);
    records.push_back(exchange);
  }
  const auto price =
      CollectiveCurves(records).price({Collective::all_to_all, 1 << 26, DataType::bf16, {8, 8, 1}});
  ASSERT_TRUE(price);
  const double truth = 2.0 * ring_seconds(Collective::all_gather, 8.0, 1 << 26);
  EXPECT_NEAR(price->time.in(unit::second) / truth, 1.0, 0.15);
}

// An all-reduce of two ranks, 17.8 us + 2.2 N / 600 GB/s, with a pipeline that takes 20 ns a root
// byte to fill: a message of 1 MiB takes 15.9 us + 1.8 N / 600 GB/s and nothing of the 20.5 us.
TEST(Transferred, AMessageDoesNotFillAPipeline) {
  std::vector<CollectiveRecord> records;
  const GroupShape pair{2, 2, 1};
  for (std::int64_t bytes = 1 << 12; bytes <= std::int64_t{1} << 28; bytes *= 4) {
    const auto size = static_cast<double>(bytes);
    const double filling = 2e-8 * std::sqrt(size);
    records.push_back(record(Collective::all_reduce,
                             bytes,
                             pair,
                             ring_seconds(Collective::all_reduce, 2.0, size) + filling));
  }
  const CollectiveCurves curves(records);
  const auto price = curves.price({Collective::send_recv, 1 << 20, DataType::bf16, pair});
  ASSERT_TRUE(price);
  EXPECT_NEAR(price->time.in(unit::microsecond), 15.9 + 1.8 * 1048576.0 / 6e5, 0.01);
}

TEST(Transferred, TellsNothingOfGroupsAcrossNodesFromThoseInside) {
  const CollectiveCurves curves(rings({2, 4, 8}, {Collective::all_reduce}));
  EXPECT_FALSE(curves.price({Collective::all_reduce, 1 << 20, DataType::bf16, {16, 8, 1}}));
}

TEST(Transferred, NeverMakesALargerGroupFaster) {
  const CollectiveCurves curves(rings({2, 4}, {Collective::all_reduce}));
  for (std::int64_t bytes = 1 << 12; bytes < 1 << 28; bytes *= 2) {
    const auto four = curves.price({Collective::all_reduce, bytes, DataType::bf16, {4, 4, 1}});
    const auto eight = curves.price({Collective::all_reduce, bytes, DataType::bf16, {8, 8, 1}});
    EXPECT_GE(eight->time, four->time);
  }
}

// Kinks that all curves of a machine have, as where protocols change: the last is drawn where one
// curve was not measured. No law has them; the others foretell the first two, and so are believed.
TEST(FilledGap, TakesTheKinkFromTheOthers) {
  const std::map<std::int64_t, double> kinks{{1 << 16, 1.4}, {1 << 20, 0.6}, {1 << 24, 1.5}};
  std::vector<CollectiveRecord> records;
  for (CollectiveRecord ring : rings({2, 4, 8}, {Collective::all_gather})) {
    if (const auto kink = kinks.find(ring.key.bytes); kink != kinks.end()) {
      ring.timing = exactly(kink->second * ring.timing.median);
    }
    if (ring.key.group.ranks != 8 || ring.key.bytes != 1 << 24) {
      records.push_back(ring);
    }
  }
  const auto price =
      CollectiveCurves(records).price({Collective::all_gather, 1 << 24, DataType::bf16, {8, 8, 1}});
  ASSERT_TRUE(price);
  const double truth = 1.5 * ring_seconds(Collective::all_gather, 8.0, 1 << 24);
  EXPECT_NEAR(price->time.in(unit::second) / truth, 1.0, 0.1);
}

TEST(CollectivePrices, SayWhatTheCurvesSay) {
  const auto records = rings({2, 4}, {Collective::all_gather, Collective::all_reduce});
  const CollectiveCurves curves(records);
  const CollectivePrices prices(records);
  for (const std::int64_t ranks : {4, 8}) {
    for (const std::int64_t bytes : {1 << 13, 1 << 16, 1 << 25}) {
      const CollectiveKey key{Collective::all_reduce, bytes, DataType::bf16, {ranks, ranks, 1}};
      EXPECT_NEAR(prices.price(key)->time / curves.price(key)->time, 1.0, 1e-9);
      EXPECT_EQ(prices.price(key)->tier, curves.price(key)->tier);
    }
  }
  EXPECT_FALSE(prices.price({Collective::all_reduce, 1 << 20, DataType::bf16, {16, 8, 1}}));
}

TEST(CollectivePrices, MoreBytesAreNeverFasterBetweenTheKnots) {
  const CollectivePrices prices(rings({2, 4}, {Collective::all_reduce}));
  for (const std::int64_t ranks : {4, 16}) {
    Seconds before;
    for (std::int64_t bytes = 64; bytes < std::int64_t{1} << 34; bytes += bytes / 3) {
      const auto price =
          prices.price({Collective::all_reduce, bytes, DataType::bf16, {ranks, ranks, 1}});
      ASSERT_TRUE(price) << bytes;
      EXPECT_GE(price->time, before) << bytes;
      before = price->time;
    }
  }
}

}  // namespace
}  // namespace forerun
