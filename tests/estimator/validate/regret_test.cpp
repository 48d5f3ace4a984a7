// What a choice by prediction costs.
#include "estimator/validate/regret.hpp"

#include <filesystem>
#include <iostream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/validate/validate_training.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

TrainingRow row(const std::string& id, const std::string& devices) {
  TrainingRow one;
  one.id = id;
  one.source = "table";
  one.configuration = {{"model", "GPT"}, {"num_gpus", devices}, {"global_batch", "64"}};
  return one;
}

RowPrediction prediction(const std::string& id, double predicted, double published) {
  RowPrediction one;
  one.row.id = id;
  one.row.predicted = predicted * unit::second;
  one.row.published = published * unit::second;
  return one;
}

TEST(Regret, IsTheMeasuredTimeOfThePredictedBestOverTheMeasuredBest) {
  // b is predicted fastest and was measured at 3 s; a was measured fastest, at 2 s. c is another
  // job.
  const auto regrets =
      regrets_of({row("a", "8"), row("b", "8"), row("c", "16")},
                 {prediction("a", 2.5, 2.0), prediction("b", 2.0, 3.0), prediction("c", 1.0, 1.0)});
  ASSERT_EQ(regrets.size(), 1U);
  EXPECT_EQ(regrets.front().chosen, "b");
  EXPECT_EQ(regrets.front().best, "a");
  EXPECT_DOUBLE_EQ(regrets.front().ratio, 1.5);
  const auto json = regret_json(regrets);
  EXPECT_DOUBLE_EQ(json[0]["mean"].get<double>(), 0.5);
  EXPECT_EQ(json[0]["share_best"], 0.0);
}

// Printed, since an aim may be missed; a choice cannot be better than the best.
TEST(Regret, OfThePublishedTables) {
  const std::filesystem::path path =
      std::filesystem::path(FORERUN_REFERENCE_DATA) / "published/training_runs.csv";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no reference data";
  }
  const auto rows = read_training_table(path.string());
  const auto regrets = regrets_of(rows, validate_training(rows));
  ASSERT_FALSE(regrets.empty());
  for (const Regret& regret : regrets) {
    EXPECT_GE(regret.ratio, 1.0);
    EXPECT_GE(regret.layouts, 2U);
  }
  for (const auto& source : regret_json(regrets)) {
    std::cout << source["source"].get<std::string>() << ": " << source["choices"]
              << " choices, mean regret " << 100.0 * source["mean"].get<double>() << " %, worst "
              << 100.0 * source["max"].get<double>() << " %, right "
              << 100.0 * source["share_best"].get<double>() << " %\n";
  }
}

}  // namespace
}  // namespace forerun
