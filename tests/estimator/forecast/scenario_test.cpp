// The scenarios that are compiled in, and what a wrong one says.
#include "estimator/forecast/scenario.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/forecast/simulation.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

std::string reading_error(const std::string& text) {
  return message_of([&] { (void)read_scenario({"mine", text}); });
}

const std::string head =
    "title = 't'\nbase_date = '2025'\nanchor = 'a'\nyears = [2025, 2030]\n"
    "[inputs]\n"
    "kappa = {distribution = 'constant', values = [3], source = 's'}\n"
    "tokens_per_parameter = {distribution = 'constant', values = [20], source = 's'}\n"
    "tokens_per_person_minute = {distribution = 'constant', values = [500], source = 's'}\n";

TEST(Scenarios, AreAllReadable) {
  for (const std::string& name : scenario_names()) {
    EXPECT_EQ(scenario_named(name).name, name);
  }
}

TEST(Scenarios, NameASourceForEveryInput) {
  for (const std::string& name : scenario_names()) {
    for (const auto& [input, entry] : scenario_named(name).inputs) {
      EXPECT_GT(entry.source.size(), 10U) << name << " " << name_of(input);
    }
  }
}

TEST(Scenarios, IncludeTheFoundingArticle) {
  const Scenario article = scenario_named("steinhardt-2023");
  EXPECT_EQ(article.inputs.at(Input::kappa).values.at(0), 3.0);
  EXPECT_EQ(article.inputs.at(Input::tokens_per_person_minute).values.at(0), 500.0);
  EXPECT_EQ(article.inputs.at(Input::training_years).values.at(0), 1.2);
}

TEST(Scenarios, UnknownNameSuggestsTheNearest) {
  EXPECT_THAT(message_of([] { (void)scenario_named("steinhart-2023"); }),
              AllOf(HasSubstr("steinhart-2023"), HasSubstr("nearest is 'steinhardt-2023'")));
}

TEST(Scenarios, RefuseAYearWithoutData) {
  EXPECT_THAT(message_of([] { check_year(scenario_named("steinhardt-2023"), 2035); }),
              HasSubstr("2030 only"));
  EXPECT_THAT(message_of([] { check_year(scenario_named("besiroglu-2022"), 2090); }),
              HasSubstr("nearest is 2080"));
}

TEST(InputNames, ReadBackAsThemselves) {
  for (std::size_t i = 0; i < input_count; ++i) {
    const auto input = static_cast<Input>(i);
    EXPECT_EQ(input_from(name_of(input)), input);
  }
  EXPECT_FALSE(input_from("luck").has_value());
}

TEST(ReadScenario, AcceptsACompleteOne) {
  const Scenario scenario =
      read_scenario({"mine",
                     head + "training_flop = {distribution = 'log_triangular', values = [1, 2, 3], "
                            "source = 's'}\n"});
  EXPECT_EQ(name_of(scenario.inputs.at(Input::training_flop).distribution), "log_triangular");
}

TEST(ReadScenario, NamesTheLineOfBrokenToml) {
  EXPECT_THAT(reading_error("title = 't'\nyears = [2025,\n="), HasSubstr("mine.toml:3"));
}

TEST(ReadScenario, NeedsASourceOfCompute) {
  EXPECT_THAT(reading_error(head), HasSubstr("training_flop"));
}

TEST(ReadScenario, SuggestsTheNearestInput) {
  EXPECT_THAT(
      reading_error(head + "kapa = {distribution = 'constant', values = [3], source = 's'}"),
      AllOf(HasSubstr("mine.toml:9"), HasSubstr("nearest is 'kappa'")));
}

TEST(ReadScenario, RefusesALevelOfOne) {
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'lognormal', values = [1, 2], "
                                   "levels = [0.5, 1], source = 's'}"),
              HasSubstr("levels"));
}

TEST(ReadScenario, RefusesAnIntervalThatIsUpsideDown) {
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'lognormal', values = [2, 1], "
                                   "levels = [0.25, 0.75], source = 's'}"),
              HasSubstr("should ascend, but 1 comes after 2"));
}

TEST(ReadScenario, RefusesWhatIsNoDate) {
  const std::string input =
      "training_flop = {distribution = 'constant', values = [1], "
      "source = 's', as_of = ";
  EXPECT_THAT(reading_error(head + input + "'soon'}"), HasSubstr("'2024-08'"));
  EXPECT_THAT(reading_error(head + input + "'2024-13'}"), HasSubstr("'2024-13' should be"));
}

TEST(ReadScenario, RefusesACorrelationWithWhatDoesNotVary) {
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'lognormal', values = [1, 2], "
                                   "levels = [0.25, 0.75], source = 's'}\n"
                                   "[[correlation]]\nfirst = 'training_flop'\n"
                                   "second = 'kappa'\nspearman = 0.5\n"),
              HasSubstr("kappa does not vary"));
}

TEST(ReadScenario, RefusesANegativeValue) {
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'constant', values = [-1], "
                                   "source = 's'}"),
              HasSubstr("positive"));
}

TEST(ReadScenario, RefusesWeightsThatDoNotSumToOne) {
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'discrete', values = [1, 2], "
                                   "weights = [0.5, 0.6], source = 's'}"),
              HasSubstr("sum to 1"));
}

TEST(ReadScenario, RefusesAnUnknownDistribution) {
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'cauchy', values = [1], "
                                   "source = 's'}"),
              AllOf(HasSubstr("cauchy"), HasSubstr("two_piece")));
}

TEST(ReadScenario, AsksForTheLevelsOfAnInterval) {
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'lognormal', values = [1, 2], "
                                   "source = 's'}"),
              AllOf(HasSubstr("levels"), HasSubstr("missing")));
}

// A key that is not read would leave its default: a price of 1e-244 dollars, once.
TEST(ReadScenario, RefusesAKeyThatItDoesNotKnow) {
  EXPECT_THAT(reading_error("prise_year = 2026\n" + head), HasSubstr("'price_year'"));
  EXPECT_THAT(reading_error(head + "training_flop = {distribution = 'constant', value = [1], "
                                   "source = 's'}"),
              HasSubstr("'values'"));
}

// The year of the anchor, of the price and of the efficiency.
TEST(ReadScenario, AsksForTheYearsThatGrowthStartsFrom) {
  const std::string constant = " = {distribution = 'constant', values = [2], source = 's'}\n";
  EXPECT_THAT(reading_error(head + "anchor_flop" + constant + "growth_per_year" + constant),
              HasSubstr("base_year"));
  EXPECT_THAT(
      reading_error(head + "training_flop" + constant + "price_performance_per_year" + constant),
      HasSubstr("price_year"));
  EXPECT_THAT(reading_error(head + "training_flop" + constant + "efficiency_per_year" + constant),
              HasSubstr("efficiency_year"));
  EXPECT_THAT(reading_error("base_year = 26\n" + head), HasSubstr("base_year"));
}

// An anchor without its growth once beat the scenario's own compute.
TEST(ReadScenario, RefusesAnAnchorWithoutItsGrowth) {
  const std::string constant = " = {distribution = 'constant', values = [2], source = 's'}\n";
  EXPECT_THAT(reading_error(head + "training_flop" + constant + "anchor_flop" + constant),
              HasSubstr("growth_per_year"));
}

TEST(ReadScenario, AsksForGrowthToRevertFrom) {
  const std::string constant = " = {distribution = 'constant', values = [2030], source = 's'}\n";
  EXPECT_THAT(reading_error(head + "training_flop" + constant + "reversion_year" + constant),
              HasSubstr("anchor_flop"));
}

// By a midpoint sum in another program: 5e26 in 2025.52, 4.2 a year, R = 2030, in 2030.
TEST(Scenarios, ConservativeRevertsToMoore) {
  const Simulation simulation(scenario_named("conservative"), 2030.0);
  EXPECT_NEAR(
      simulation.outcome(simulation.medians())[Output::training_flop] / 6.35585e+28, 1.0, 1e-3);
}

TEST(Scenarios, TakeAFileOfTheUser) {
  const auto path = std::filesystem::temp_directory_path() / "forerun_own_scenario.toml";
  std::ofstream(path)
      << "title = \"own\"\nbase_date = \"2026-01\"\nbase_year = 2026\nyears = [2026, "
         "2040]\nanchor = \"none\"\nnotes = []\n\n[inputs.anchor_flop]\n"
         "distribution = \"constant\"\nvalues = [1e27]\nsource = \"test\"\n\n"
         "[inputs.growth_per_year]\ndistribution = \"constant\"\nvalues = [2]\n"
         "source = \"test\"\n\n[inputs.kappa]\ndistribution = \"constant\"\nvalues = "
         "[3]\nsource = \"test\"\n\n[inputs.tokens_per_parameter]\ndistribution = "
         "\"constant\"\nvalues = [20]\nsource = \"test\"\n\n"
         "[inputs.tokens_per_person_minute]\ndistribution = \"constant\"\nvalues = "
         "[500]\nsource = \"test\"\n";
  const Scenario own = scenario_named(path.string());
  EXPECT_EQ(own.title, "own");
  EXPECT_EQ(own.base_year, 2026.0);
  std::filesystem::remove(path);
  EXPECT_THROW((void)scenario_named("nowhere.toml"), InputError);
}

// The four presets: the article's, the measured trend, that under ceilings, a slow one.
TEST(Scenarios, OrderTheirMediansOf2030) {
  const auto flop_of = [](const char* name) {
    const Simulation simulation(scenario_named(name), 2030.0);
    return simulation.outcome(simulation.medians())[Output::training_flop];
  };
  EXPECT_LT(flop_of("conservative"), flop_of("constrained-2030"));
  EXPECT_LT(flop_of("constrained-2030"), flop_of("epoch-2025"));
  // 5e26 x 4.2^4.48, the trend alone.
  EXPECT_NEAR(flop_of("epoch-2025") / (5e26 * std::pow(4.2, 4.48)), 1.0, 0.01);
}

}  // namespace
}  // namespace forerun
