// The list of what a step was priced from: it adds up to the breakdown.
#include "estimator/estimate/priced_operations.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "jobs/read_model.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

JobEstimate estimate_of(const char* model, const ParallelLayout& layout, std::int64_t batch) {
  EstimateRequest request;
  request.job.model = read_model(model);
  request.job.recipe.global_batch = batch;
  request.job.recipe.micro_batch = 1;
  request.job.recipe.sequence = 4096;
  request.job.layout = layout;
  request.hardware = sized_for(read_hardware("dgx-h100"), world_size(layout));
  request.overlap = Overlap::off;
  return estimate_job(request);
}

std::map<Part, Seconds> sums_of(const std::vector<PricedOperation>& operations) {
  std::map<Part, Seconds> sums;
  for (const PricedOperation& operation : operations) {
    sums[operation.part] += operation.calls * operation.each;
  }
  return sums;
}

// Nothing overlaps: each part is the sum of its operations.
TEST(PricedOperations, AddUpToTheBreakdown) {
  const JobEstimate estimate =
      estimate_of("llama-3-8b", {.tensor = 4, .pipeline = 2, .data = 2}, 16);
  auto sums = sums_of(priced_operations(estimate));
  const StepBreakdown& parts = estimate.step.breakdown;
  EXPECT_NEAR(sums[Part::compute] / parts.compute, 1.0, 1e-9);
  EXPECT_NEAR(sums[Part::tensor_parallel] / parts.tensor_parallel, 1.0, 1e-9);
  EXPECT_NEAR(sums[Part::data_parallel] / parts.data_parallel, 1.0, 1e-9);
  EXPECT_NEAR(sums[Part::optimizer] / parts.optimizer, 1.0, 1e-9);
}

TEST(PricedOperations, OfExpertsAddUpToo) {
  const JobEstimate estimate = estimate_of("qwen3-30b-a3b", {.expert = 8, .data = 8}, 32);
  auto sums = sums_of(priced_operations(estimate));
  EXPECT_NEAR(sums[Part::expert_parallel] / estimate.step.breakdown.expert_parallel, 1.0, 1e-9);
  EXPECT_NEAR(sums[Part::compute] / estimate.step.breakdown.compute, 1.0, 1e-9);
}

// A layer of Llama-3 8B is priced once and called for each of 32 layers and 16 micro-batches.
TEST(PricedOperations, CountCallsAndComeLongestFirst) {
  const auto operations = priced_operations(estimate_of("llama-3-8b", {}, 16));
  for (std::size_t i = 1; i < operations.size(); ++i) {
    EXPECT_GE(operations[i - 1].calls * operations[i - 1].each,
              operations[i].calls * operations[i].each);
  }
  const auto attention = std::ranges::find_if(operations, [](const PricedOperation& operation) {
    return operation.key.starts_with("attention_forward");
  });
  ASSERT_NE(attention, operations.end());
  EXPECT_EQ(attention->calls, 32.0 * 16.0);
  const auto document = to_json(operations);
  EXPECT_EQ(document[0]["key"], operations[0].key);
  EXPECT_EQ(document[0]["tier"], "fitted");
  std::ostringstream text;
  print_operations(operations, 2, text);
  EXPECT_THAT(text.str(), testing::HasSubstr("2 longest operations of "));
  EXPECT_THAT(text.str(), testing::HasSubstr(operations[1].key));
}

}  // namespace
}  // namespace forerun
