// The table agrees with itself, with the defaults that it prints, and with the recipe it makes.
#include "estimator/cli/option_table.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

OptionRow row_named(const std::string& name) {
  const auto table = option_table();
  return *std::ranges::find(table, name, &OptionRow::name);
}

TEST(OptionTable, HasNoNameTwice) {
  std::set<std::string> names;
  for (const OptionRow& row : option_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(OptionTable, GivesEveryOptionAVerbAndHelp) {
  for (const OptionRow& row : option_table()) {
    EXPECT_FALSE(row.verbs.empty()) << row.name;
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_EQ(row.placeholder.empty(), row.kind == OptionKind::flag) << row.name;
  }
}

TEST(OptionTable, AcceptsEveryWordThatItLists) {
  for (const OptionRow& row : option_table()) {
    for (const std::string& word : row.words) {
      // Some words of one option are of some of its verbs.
      const bool is_accepted = std::ranges::any_of(row.verbs, [&](Verb verb) {
        Options options;
        options.verb = verb;
        try {
          row.assign(options, {row.name, word});
          return true;
        } catch (const InputError&) {
          return false;
        }
      });
      EXPECT_TRUE(is_accepted) << row.name << " " << word;
    }
  }
}

// A printed default, once given, changes nothing.
TEST(OptionTable, PrintsTheDefaultsOfTheOptions) {
  Options options;
  for (const std::string name : {"scenario", "samples", "seed", "format"}) {
    const OptionRow row = row_named(name);
    row.assign(options, {name, row.default_text});
  }
  EXPECT_EQ(row_named("steps").default_text, "rehearse: " + std::to_string(Options().steps));
  EXPECT_EQ(options.scenario, Options().scenario);
  EXPECT_EQ(options.samples, Options().samples);
  EXPECT_EQ(options.seed, Options().seed);
  EXPECT_EQ(options.format, Options().format);
}

TEST(OptionTable, PrintsTheDefaultsOfTheRecipe) {
  Options options;
  for (const std::string name : {"micro-batch", "recompute", "sp", "zero"}) {
    const OptionRow row = row_named(name);
    row.assign(options, {name, row.default_text});
  }
  const Recipe recipe = recipe_from(options);
  EXPECT_EQ(recipe.micro_batch, Recipe().micro_batch);
  EXPECT_EQ(recipe.recompute, Recipe().recompute);
  EXPECT_EQ(recipe.sequence_parallel, Recipe().sequence_parallel);
  EXPECT_EQ(recipe.zero, Recipe().zero);
}

TEST(Recipe, RefusesShardsOfWeightsThatZeroKeepsWhole) {
  Options options;
  options.shard_group = 0;
  EXPECT_EQ(recipe_from(options).zero, ZeroStage::parameters);
  options.zero = ZeroStage::optimizer;
  EXPECT_THROW((void)recipe_from(options), InputError);
}

TEST(Recipe, TakesWhatTheUserSaid) {
  Options options;
  options.batch = 2048;
  options.micro_batch = 2;
  options.sequence = 4096;
  options.tokens = 1e12;
  options.schedule = Schedule::gpipe;
  const Recipe recipe = recipe_from(options);
  EXPECT_EQ(recipe.global_batch, 2048);
  EXPECT_EQ(recipe.micro_batch, 2);
  EXPECT_EQ(recipe.sequence, 4096);
  EXPECT_EQ(recipe.tokens, 1e12);
  EXPECT_EQ(recipe.schedule, Schedule::gpipe);
}

}  // namespace
}  // namespace forerun
