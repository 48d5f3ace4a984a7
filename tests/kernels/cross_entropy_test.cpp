// Cross-entropy over a split and padded vocabulary, and embeddings of foreign tokens.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "kernels/host/host_device.hpp"
#include "tests/kernels/kernel_check.hpp"

namespace forerun {
namespace {

constexpr std::int64_t rows = 5;
constexpr std::int64_t vocabulary = 60;

class CrossEntropy : public testing::Test {
 protected:
  // What the first two passes give for each row.
  struct Pass {
    std::vector<double> row_max;
    std::vector<double> sums;
  };

  static KernelKey key(const std::string& pass, std::int64_t columns) {
    return key_of("cross_entropy_" + pass + " fp32 rows=5 columns=" + std::to_string(columns));
  }

  std::vector<double> row_max(const std::vector<double>& logits,
                              const KernelScalars& scalars = {}) {
    ReferenceOperands operands = {logits, std::vector<double>(rows)};
    return run_on(device_, key("max", columns_of(logits)), scalars, operands)[1];
  }

  std::vector<double> sums(const std::vector<double>& logits,
                           const std::vector<double>& row_max,
                           const KernelScalars& scalars = {}) {
    ReferenceOperands operands = {logits, row_max, targets_, std::vector<double>(2 * rows)};
    return run_on(device_, key("sum", columns_of(logits)), scalars, operands)[3];
  }

  ReferenceOperands gradient(const std::vector<double>& logits,
                             const Pass& pass,
                             const KernelScalars& scalars = {}) {
    ReferenceOperands operands = {
        logits, pass.row_max, pass.sums, targets_, std::vector<double>(rows)};
    return run_on(device_, key("gradient", columns_of(logits)), scalars, operands);
  }

  static std::int64_t columns_of(const std::vector<double>& logits) {
    return static_cast<std::int64_t>(logits.size()) / rows;
  }

  // Columns [first, first + count) of every row.
  [[nodiscard]] std::vector<double> shard(std::int64_t first, std::int64_t count) const {
    std::vector<double> part;
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto begin = logits_.begin() + row * vocabulary + first;
      part.insert(part.end(), begin, begin + count);
    }
    return part;
  }

  host::HostDevice device_{DeviceChoice{}};
  std::vector<double> logits_ = random_operands(key("max", vocabulary))[0];
  std::vector<double> targets_ = {0.0, 24.0, 25.0, 59.0, 40.0};
};

TEST_F(CrossEntropy, OfTwoShardsCombinedEqualsTheWhole) {
  const auto whole_max = row_max(logits_);
  const auto whole = gradient(logits_, {whole_max, sums(logits_, whole_max)}, {.scale = 0.2});

  const std::vector<double> left = shard(0, 25);
  const std::vector<double> right = shard(25, 35);
  std::vector<double> combined_max = row_max(left);
  const auto right_max = row_max(right);
  std::ranges::transform(combined_max, right_max, combined_max.begin(), [](double a, double b) {
    return std::max(a, b);
  });
  std::vector<double> combined_sums = sums(left, combined_max);
  const auto right_sums = sums(right, combined_max, {.first = 25});
  std::ranges::transform(combined_sums, right_sums, combined_sums.begin(), std::plus<>{});
  const Pass combined{combined_max, combined_sums};
  const auto left_results = gradient(left, combined, {.scale = 0.2});
  const auto right_results = gradient(right, combined, {.scale = 0.2, .first = 25});

  EXPECT_LT(relative_error(left_results[4], whole[4]), 1e-6);
  EXPECT_EQ(left_results[4], right_results[4]);
  std::vector<double> joined;
  for (std::ptrdiff_t row = 0; row < rows; ++row) {
    const auto a = left_results[0].begin() + row * 25;
    const auto b = right_results[0].begin() + row * 35;
    joined.insert(joined.end(), a, a + 25);
    joined.insert(joined.end(), b, b + 35);
  }
  EXPECT_LT(relative_error(joined, whole[0]), 1e-6);
}

TEST_F(CrossEntropy, GradientOfARowSumsToZero) {
  const auto largest = row_max(logits_);
  const auto results = gradient(logits_, {largest, sums(logits_, largest)});
  for (std::ptrdiff_t row = 0; row < rows; ++row) {
    double sum = 0.0;
    for (std::ptrdiff_t i = 0; i < vocabulary; ++i) {
      sum += results[0][static_cast<std::size_t>(row * vocabulary + i)];
    }
    EXPECT_NEAR(sum, 0.0, 1e-6);
  }
}

TEST_F(CrossEntropy, IgnoresColumnsBeyondTheVocabulary) {
  // The last 10 columns are padding: the loss is that of the first 50, their gradient is zero.
  targets_ = {0.0, 24.0, 25.0, 49.0, 40.0};
  const KernelScalars padded{.valid = 50};
  const auto largest = row_max(logits_, padded);
  const auto results = gradient(logits_, {largest, sums(logits_, largest, padded)}, padded);

  const std::vector<double> real = shard(0, 50);
  const auto real_max = row_max(real);
  EXPECT_EQ(results[4], gradient(real, {real_max, sums(real, real_max)})[4]);
  for (std::ptrdiff_t row = 0; row < rows; ++row) {
    const auto begin = results[0].begin() + row * vocabulary;
    EXPECT_EQ(std::count(begin + 50, begin + 60, 0.0), 10);
    EXPECT_EQ(std::count(begin, begin + 50, 0.0), 0);
  }
}

TEST_F(CrossEntropy, GivesNothingForAForeignTarget) {
  const auto largest = row_max(logits_);
  const auto pass = sums(logits_, largest, {.first = 100});
  EXPECT_TRUE(std::all_of(pass.begin() + rows, pass.end(), [](double v) { return v == 0.0; }));
}

TEST(Embedding, OfAForeignTokenIsZero) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("embedding_forward bf16 tokens=3 batch=1 columns=2 table_rows=2");
  const ReferenceOperands operands = {
      {9.0, 11.0, 12.0}, {1.0, 2.0, 3.0, 4.0}, std::vector<double>(6)};
  const std::vector<double> expected = {0.0, 0.0, 3.0, 4.0, 0.0, 0.0};
  EXPECT_EQ(run_on(device, key, {.first = 10}, operands)[2], expected);
}

TEST(Embedding, GradientAddsUpRepeatedTokens) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("embedding_backward fp32 tokens=3 batch=1 columns=2 table_rows=2");
  const ReferenceOperands operands = {
      {11.0, 11.0, 9.0}, {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, {10.0, 20.0, 30.0, 40.0}};
  const std::vector<double> expected = {10.0, 20.0, 34.0, 46.0};
  EXPECT_EQ(run_on(device, key, {.first = 10}, operands)[2], expected);
}

}  // namespace
}  // namespace forerun
