// The layout grammar: what it reads, what it refuses and with which words.
#include "jobs/parallel_layout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/jobs/input_error_text.hpp"

namespace forerun {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string layout_error(std::string_view spec, std::int64_t devices) {
  return error_text([&] { (void)parse_layout(spec, devices); });
}

std::string set_error(std::string_view specs, std::int64_t devices) {
  return error_text([&] { (void)parse_layouts(specs, devices); });
}

std::vector<std::string> texts(std::string_view specs, std::int64_t devices) {
  std::vector<std::string> result;
  for (const ParallelLayout& layout : parse_layouts(specs, devices)) {
    result.push_back(text_of(layout));
  }
  return result;
}

TEST(WorldSize, IsTheProductOfTensorContextPipelineAndData) {
  const ParallelLayout layout{.tensor = 8,
                              .pipeline = 16,
                              .virtual_pipeline = 8,
                              .context = 2,
                              .expert = 4,
                              .expert_tensor = 2,
                              .data = 64};
  EXPECT_EQ(world_size(layout), 16384);
}

TEST(LayoutText, LeavesOutDegreesOfOne) {
  EXPECT_EQ(text_of({.tensor = 8, .pipeline = 16, .virtual_pipeline = 8, .data = 128}),
            "tp=8,pp=16,vp=8,dp=128");
}

TEST(LayoutText, WritesAllDegreesInTheOrderOfTheGrammar) {
  EXPECT_EQ(text_of({.tensor = 2,
                     .pipeline = 3,
                     .virtual_pipeline = 4,
                     .context = 5,
                     .expert = 6,
                     .expert_tensor = 7,
                     .data = 8}),
            "tp=2,pp=3,vp=4,cp=5,ep=6,etp=7,dp=8");
}

TEST(LayoutText, NamesOneDevice) {
  EXPECT_EQ(text_of(ParallelLayout{}), "dp=1");
}

TEST(ParseLayout, ReadsEveryDegree) {
  const ParallelLayout expected{.tensor = 8,
                                .pipeline = 4,
                                .virtual_pipeline = 3,
                                .context = 2,
                                .expert = 16,
                                .expert_tensor = 1,
                                .data = 4};
  EXPECT_EQ(parse_layout("tp=8,pp=4,vp=3,cp=2,ep=16,etp=1,dp=4", 256), expected);
}

TEST(ParseLayout, FillsDataParallelismUpToTheDevices) {
  EXPECT_EQ(parse_layout("tp=8,pp=16,vp=8", 16384).data, 128);
}

TEST(ParseLayout, ReadsItsOwnText) {
  const ParallelLayout layout{.tensor = 2, .virtual_pipeline = 5, .context = 3, .data = 4};
  EXPECT_EQ(parse_layout(text_of(layout), 24), layout);
}

TEST(ParseLayout, TakesDegreesInAnyOrderAndWithSpaces) {
  EXPECT_EQ(parse_layout(" dp = 2 , tp=4", 8), (ParallelLayout{.tensor = 4, .data = 2}));
}

TEST(ParseLayout, NamesTheNearestDegree) {
  EXPECT_EQ(layout_error("etpp=8", 8),
            "--layout: 'etpp' is not a degree; expected tp, pp, vp, cp, ep, etp or dp; the nearest "
            "is 'etp'");
}

TEST(ParseLayout, RefusesADegreeWithoutValue) {
  EXPECT_EQ(layout_error("tp8", 8),
            "--layout: 'tp8' is not a degree with a value; expected one like 'tp=8'");
}

TEST(ParseLayout, RefusesValuesThatAreNotWholeNumbersOfAtLeastOne) {
  for (const auto* const value :
       {"0", "-2", "1.5", "", "two", "4x", "1K", "99999999999999999999"}) {
    EXPECT_EQ(layout_error(std::string("tp=") + value, 8),
              std::string("--layout: tp='") + value +
                  "' is not a number; expected a whole number from 1 to 1000000000");
  }
}

TEST(ParseLayout, RefusesADegreeGivenTwice) {
  EXPECT_EQ(layout_error("tp=2,tp=4", 8), "--layout: tp is given twice in 'tp=2,tp=4'");
}

TEST(ParseLayout, RefusesAnEmptyLayout) {
  EXPECT_EQ(layout_error("", 8), "--layout: a layout is empty; expected one like 'tp=8,pp=4,dp=2'");
}

TEST(ParseLayout, RefusesATrailingComma) {
  EXPECT_EQ(layout_error("tp=8,", 8),
            "--layout: '' is not a degree with a value; expected one like 'tp=8'");
}

TEST(ParseLayout, RefusesAlternativesRangesAndSeveralSpecs) {
  for (const auto* const set : {"tp=1|2", "pp=1..8", "tp=2;tp=4"}) {
    EXPECT_EQ(layout_error(set, 8),
              std::string("--layout: '") + set +
                  "' is a set of layouts; expected exactly one, like 'tp=8,pp=4,dp=2'");
  }
}

TEST(ParseLayout, RefusesAProductThatIsNotTheDevicesAndSaysWhatFits) {
  EXPECT_EQ(layout_error("tp=8,pp=2,dp=2", 16),
            "--layout: tp*pp*cp*dp=32, but there are 16 devices (dp=1 fits)");
}

TEST(ParseLayout, OffersNothingWhereNoDataDegreeFits) {
  EXPECT_EQ(layout_error("tp=3,dp=2", 16), "--layout: tp*pp*cp*dp=6, but there are 16 devices");
}

TEST(ParseLayout, RefusesFactorsThatDoNotDivideTheDevices) {
  EXPECT_EQ(layout_error("tp=3,cp=2", 16), "--layout: tp*pp*cp=6 does not divide the 16 devices");
}

TEST(ParseLayout, DoesNotOverflow) {
  EXPECT_THAT(layout_error("tp=1000000000,pp=1000000000,cp=1000000000,dp=1000000000", 8),
              HasSubstr("but there are 8 devices"));
}

TEST(ParseLayout, RefusesNoDevices) {
  EXPECT_EQ(layout_error("tp=1", 0), "--devices: 0 devices; expected at least 1");
}

TEST(ParseLayouts, ReturnsOneLayoutForOneSpec) {
  EXPECT_THAT(texts("tp=4", 8), ElementsAre("tp=4,dp=2"));
}

TEST(ParseLayouts, KeepsAlternativesInTheOrderWritten) {
  EXPECT_THAT(texts("tp=4|1|2", 4), ElementsAre("tp=4", "dp=4", "tp=2,dp=2"));
}

TEST(ParseLayouts, TakesFromARangeWhatDividesTheDevices) {
  EXPECT_THAT(texts("pp=1..8", 12),
              ElementsAre("dp=12", "pp=2,dp=6", "pp=3,dp=4", "pp=4,dp=3", "pp=6,dp=2"));
}

TEST(ParseLayouts, TakesEveryNumberOfChunksInARange) {
  EXPECT_THAT(texts("pp=4,vp=2..5", 4),
              ElementsAre("pp=4,vp=2", "pp=4,vp=3", "pp=4,vp=4", "pp=4,vp=5"));
}

TEST(ParseLayouts, VariesTheLastDegreeFastest) {
  EXPECT_THAT(texts("tp=1|2,cp=1|2", 4),
              ElementsAre("dp=4", "cp=2,dp=2", "tp=2,dp=2", "tp=2,cp=2"));
}

TEST(ParseLayouts, DropsMembersThatDoNotFit) {
  EXPECT_THAT(texts("tp=1|2|4,dp=2|4", 8), ElementsAre("tp=2,dp=4", "tp=4,dp=2"));
}

TEST(ParseLayouts, MixesRangesAndAlternatives) {
  EXPECT_THAT(texts("tp=1|4..8", 8), ElementsAre("dp=8", "tp=4,dp=2", "tp=8"));
}

TEST(ParseLayouts, JoinsSpecsAndKeepsEachLayoutOnce) {
  EXPECT_THAT(texts("tp=2;pp=1|2;dp=2,tp=2", 4), ElementsAre("tp=2,dp=2", "dp=4", "pp=2,dp=2"));
}

TEST(ParseLayouts, RefusesASpecNoneOfWhoseMembersFits) {
  EXPECT_EQ(set_error("tp=2;tp=3|5", 16),
            "--layout: no layout of 'tp=3|5' has tp*pp*cp*dp=16 devices");
}

TEST(ParseLayouts, RefusesABackwardRange) {
  EXPECT_EQ(set_error("pp=8..1", 8),
            "--layout: the range pp=8..1 is empty; expected the smaller number first");
}

TEST(ParseLayouts, RefusesARangeWithoutEnd) {
  EXPECT_EQ(set_error("pp=2..", 8),
            "--layout: pp='' is not a number; expected a whole number from 1 to 1000000000");
}

TEST(ParseLayouts, RefusesAnEmptySpecBetweenSemicolons) {
  EXPECT_EQ(set_error("tp=2;", 8),
            "--layout: a layout is empty; expected one like 'tp=8,pp=4,dp=2'");
}

TEST(ParseLayouts, RefusesAnAbsurdRangeOfChunks) {
  EXPECT_EQ(set_error("vp=1..1001", 8), "--layout: the range vp=1..1001 has more than 1000 values");
}

TEST(ParseLayouts, RefusesMoreThanAMillionLayouts) {
  // 720720 has 240 divisors; 240 * 240 * 1000 combinations of ep, etp and vp.
  EXPECT_THAT(set_error("ep=1..720720,etp=1..720720,vp=1..1000", 720720),
              HasSubstr("the set has more than 1000000 layouts"));
}

TEST(ParseLayouts, NamesTheNearestDegree) {
  EXPECT_THAT(set_error("xp=1|2", 8), HasSubstr("'xp' is not a degree"));
}

}  // namespace
}  // namespace forerun
