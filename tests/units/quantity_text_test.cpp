// The text form of quantities, both ways.
#include "units/quantity_text.hpp"

#include <gtest/gtest.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

TEST(ParseCount, TakesDecimalSuffixes) {
  EXPECT_EQ(parse_count("15T"), 15e12);
  EXPECT_EQ(parse_count("2K"), 2000.0);
  EXPECT_EQ(parse_count("1.5B"), 1.5e9);
  EXPECT_EQ(parse_count("7"), 7.0);
}

TEST(ParseCount, RefusesWhatIsNotACount) {
  for (const char* text : {"", "k", "15t", "15 GB", "-3", "1e", "nan", "inf", "0x10", "3KK"}) {
    EXPECT_FALSE(parse_count(text)) << text;
  }
}

TEST(ParseWhole, RefusesFractionsAndSmallNumbers) {
  EXPECT_EQ(parse_whole("2.5K", 1), 2500);
  EXPECT_FALSE(parse_whole("2.5", 1));
  EXPECT_FALSE(parse_whole("0", 1));
  EXPECT_FALSE(parse_whole("99999999999T", 1));
}

TEST(ParseBytes, TellsDecimalFromBinary) {
  EXPECT_DOUBLE_EQ(parse_bytes("80GB")->in(unit::byte), 80e9);
  EXPECT_DOUBLE_EQ(parse_bytes("80 GiB")->in(unit::byte), 85899345920.0);
  EXPECT_FALSE(parse_bytes("80"));
  EXPECT_FALSE(parse_bytes("80gb"));
}

TEST(ParseRate, TellsBitsFromBytes) {
  EXPECT_DOUBLE_EQ(parse_rate("400Gb/s")->in(unit::gigabyte / unit::second), 50.0);
  EXPECT_DOUBLE_EQ(parse_rate("50 GB/s")->in(unit::gigabyte / unit::second), 50.0);
  EXPECT_FALSE(parse_rate("300"));
}

TEST(ParseTime, KnowsItsUnits) {
  EXPECT_DOUBLE_EQ(parse_time("30d")->in(unit::hour), 720.0);
  EXPECT_DOUBLE_EQ(parse_time("2h")->in(unit::second), 7200.0);
  EXPECT_DOUBLE_EQ(parse_time("5us")->in(unit::second), 5e-6);
  EXPECT_FALSE(parse_time("60"));
}

TEST(ParsePower, TakesWatts) {
  EXPECT_DOUBLE_EQ(parse_power("700 W")->in(unit::watt), 700.0);
  EXPECT_FALSE(parse_power("700"));
}

TEST(TextOf, KeepsThreeSignificantDigits) {
  EXPECT_EQ(text_of(0.00123456 * unit::second), "1.23 ms");
  EXPECT_EQ(text_of(45.678 * unit::second), "45.7 s");
  EXPECT_EQ(text_of(79.44 * unit::gibibyte), "79.4 GiB");
  EXPECT_EQ(text_of(346.2 * unit::gigabyte / unit::second), "346 GB/s");
  EXPECT_EQ(text_of(405e12 * unit::flop / unit::second), "405 TFLOP/s");
  EXPECT_EQ(text_of(32.749854e6 * unit::flop / unit::second), "32.7 MFLOP/s");
  EXPECT_EQ(count_text(124439808), "124M");
  EXPECT_EQ(count_text(15e12), "15T");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(text_of(Seconds()), "0");
  EXPECT_EQ(text_of(8.88e-16 * unit::second), "0");
  EXPECT_EQ(text_of(-8.88e-16 * unit::second), "0");
}

}  // namespace
}  // namespace forerun
