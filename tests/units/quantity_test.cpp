// Quantities keep dimensions apart and name their units.
#include "units/quantity.hpp"

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

template <typename A, typename B>
concept Addable = requires(A a, B b) {
  a + b;
};

static_assert(Addable<Seconds, Seconds>);
static_assert(!Addable<Seconds, Bytes>);
static_assert(!Addable<Flops, FlopsPerSecond>);
static_assert(!Addable<Seconds, double>);
static_assert(sizeof(Seconds) == sizeof(double));

TEST(Quantity, DividesDataByTimeIntoARate) {
  const BytesPerSecond rate = 450.0 * unit::gigabyte / unit::second;
  EXPECT_DOUBLE_EQ(rate.in(unit::gigabyte / unit::second), 450.0);
  const Seconds time = 900.0 * unit::gigabyte / rate;
  EXPECT_DOUBLE_EQ(time.in(unit::second), 2.0);
}

TEST(Quantity, KeepsDecimalAndBinaryApart) {
  EXPECT_DOUBLE_EQ(unit::gibibyte.in(unit::byte), 1073741824.0);
  EXPECT_DOUBLE_EQ((80.0 * unit::gibibyte).in(unit::gigabyte), 85.89934592);
}

TEST(Quantity, RatioOfEqualsIsANumber) {
  EXPECT_DOUBLE_EQ(unit::hour / unit::minute, 60.0);
}

TEST(Quantity, PowerTimesTimeIsEnergy) {
  const Joules energy = 1000.0 * unit::watt * unit::hour;
  EXPECT_DOUBLE_EQ(energy.in(unit::kilowatt_hour), 1.0);
}

TEST(Quantity, YearIsJulian) {
  EXPECT_DOUBLE_EQ(unit::year.in(unit::minute), 525960.0);
}

}  // namespace
}  // namespace forerun
