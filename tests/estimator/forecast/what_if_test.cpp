// Back-test, edge devices, and the model and cluster of a later year.
#include <cmath>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "estimator/forecast/future_model.hpp"
#include "estimator/forecast/what_if_documents.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// forecasting.md J.7: from 3.14e23 at 2020.41 by 4.5 a year 6.84e26 at 2025.52, observed 5e26:
// -0.14 decades.
TEST(BackTest, FromGpt3At4Point5ToGrok4) {
  const BackTest test = backtest(2020.0, 2025.0, {4.5, 0.1}, 3.0);
  const BackTestRow& last = test.rows.back();
  EXPECT_EQ(last.observed.model, "Grok-4");
  EXPECT_NEAR(last.median / 6.84e26, 1.0, 2e-3);
  EXPECT_NEAR(last.log10_error, -0.14, 0.005);
  EXPECT_TRUE(last.is_covered);
}

// The interval by hand: anchor ln 3 / 1.645 and 5.11 years of sigma 0.1 in quadrature.
TEST(BackTest, WidensWithTheAnchorAndTheYears) {
  const BackTest test = backtest(2020.0, 2025.0, {4.5, 0.1}, 3.0);
  const BackTestRow& last = test.rows.back();
  const double sigma = std::hypot(std::log(3.0) / 1.64485363, 5.11 * 0.1);
  EXPECT_NEAR(std::log(last.high / last.median), 1.64485363 * sigma, 1e-6);
}

TEST(BackTest, ScoresWhatItSees) {
  const BackTest test = backtest(2020.0, 2025.0, {4.5, 0.1}, 3.0);
  EXPECT_EQ(test.anchor.model, "GPT-3");
  EXPECT_EQ(test.rows.size(), record_runs().size() - 1);
  double covered = 0.0;
  for (const BackTestRow& row : test.rows) {
    covered += row.is_covered ? 1.0 : 0.0;
  }
  EXPECT_DOUBLE_EQ(test.coverage, covered / static_cast<double>(test.rows.size()));
}

TEST(BackTest, RefusesYearsWithoutRecords) {
  EXPECT_THROW((void)backtest(2010.0, 2012.0, {4.5, 0.1}, 3.0), InputError);
  EXPECT_THROW((void)backtest_document("2020-2025", "epoch-trend"), InputError);
  EXPECT_THROW((void)backtest_document("2020..2025", "steinhardt-2023"), InputError);
}

TEST(Edge, ReadsItsDevice) {
  const EdgeQuestion question = edge_from("mem=16GB,bw=100GB/s,bytes=0.5,speed=10", 2026.0);
  EXPECT_DOUBLE_EQ(question.device.memory.in(unit::gigabyte), 16.0);
  EXPECT_EQ(question.device.year, 2026.0);
  const auto document = edge_document(question);
  EXPECT_DOUBLE_EQ(document["parameters"].get<double>(), 20e9);
  EXPECT_EQ(document["binding_constraint"], "bandwidth");
  EXPECT_THROW((void)edge_from("mem=16GB", 2026.0), InputError);
  EXPECT_THROW((void)edge_from("mem=16GB,bw=fast", 2026.0), InputError);
  EXPECT_THROW((void)edge_from("mem=16GB,bw=1GB/s,year=2030", 2026.0), InputError);
}

// The law counts from Llama's release in February 2023; F8: with Moore's law 88 days.
TEST(Edge, RefusesYearsBeforeTheLaw) {
  EXPECT_THROW((void)edge_from("mem=16GB,bw=100GB/s", 2023.1), InputError);
  const auto document = edge_document(edge_from("mem=16GB,bw=100GB/s", 2023.2));
  EXPECT_NEAR(document["with_hardware_doubling_days"].get<double>(), 87.7, 0.05);
}

// Beyond a thousand trillions people have no name for it.
TEST(Edge, PrintsVeryLargeModelsInPowersOfTen) {
  std::ostringstream out;
  print_edge(edge_document(edge_from("mem=16GB,bw=100GB/s", 2030.0)), out);
  EXPECT_NE(out.str().find("e+16"), std::string::npos) << out.str();
}

// The size asked for, at the stated aspect, splittable over eight ranks.
TEST(FutureModel, HasTheSizeAskedFor) {
  for (const double parameters : {70e9, 405e9, 9.1e12, 41e12}) {
    const FutureModel model = future_model(parameters);
    const ModelShape shape = read_model_text(config_json(model, "test"), "future.config.json");
    EXPECT_NEAR(static_cast<double>(count_parameters(shape).total) / parameters, 1.0, 0.02);
    EXPECT_NEAR(static_cast<double>(model.hidden) / static_cast<double>(model.layers), 128.0, 30.0);
    EXPECT_EQ(model.heads % 8, 0);
    EXPECT_EQ(model.heads % model.kv_heads, 0);
  }
}

// By the rule Llama-3.1 405B's own size comes back near its 126 layers of 16,384.
TEST(FutureModel, IsLikeLlamaAtItsSize) {
  const FutureModel model = future_model(405e9);
  EXPECT_EQ(model.hidden, 16'384);
  EXPECT_EQ(model.ffn_hidden, 53'248);
  EXPECT_NEAR(static_cast<double>(model.layers), 126.0, 1.0);
}

// 405B work on a token, cut into 8 of 256 experts; the layer's FFN keeps its 53,248 columns a
// token, and all 256 hold 32 times as much of it: 3 x 16,384 x 53,248 x 126 = 329.8B, in all 10.6T.
TEST(FutureModel, CountsWhatWorksOnATokenWithExperts) {
  const FutureModel model = future_model(405e9, {.context = 32'768, .experts = 256, .top_k = 8});
  EXPECT_EQ(model.expert_hidden * 8, 53'248);
  const ModelShape shape = read_model_text(config_json(model, "test"), "future.config.json");
  const ParameterCount count = count_parameters(shape);
  EXPECT_NEAR(static_cast<double>(count.active) / 405e9, 1.0, 0.02);
  EXPECT_NEAR(static_cast<double>(count.total) / 1e12, 10.63, 0.05);
  EXPECT_EQ(model.context, 32'768);
}

// 4.1 years after October 2022 memory has doubled; the peak has grown 1.28^4.1 = 2.75-fold.
TEST(FutureDevice, GrowsByTheTrends) {
  const FutureDevice device = future_device(2022.79 + 4.1);
  EXPECT_NEAR(device.memory_bytes / (80.0 * std::exp2(30.0)), 2.0, 1e-9);
  EXPECT_NEAR(device.bf16_flop_per_s / 989e12, std::pow(1.28, 4.1), 1e-9);
  // G5's price of a FLOP in 2026, at the peak: 2 USD an hour of an H100.
  EXPECT_NEAR(future_device(2026.0).usd_per_hour / future_device(2026.0).bf16_flop_per_s,
              2.0 / 989e12,
              1e-24);
  // 1e26 FLOP in 1e7 s at 0.375 of 989e12 are 26,963 devices: 27 times 1,024.
  EXPECT_EQ(devices_for(future_device(2022.79), 1e26, 1e7), 27'648);
  EXPECT_EQ(devices_for(future_device(2022.79), 1e20, 1e7), 8);
}

// 4 times 15.6T tokens take twice the 2,048 sequences of 8,192; on 7 x 2^18 devices 7 x 512.
TEST(FutureJob, HasABatchThatItsReplicasShare) {
  EXPECT_EQ(batch_for(15.6e12, 8192, 1 << 14), 2048);
  EXPECT_EQ(batch_for(62.4e12, 8192, 1 << 14), 4096);
  EXPECT_EQ(batch_for(62.4e12, 8192, 7 << 18), 3584);
  EXPECT_EQ(batch_for(1e9, 8192, 8), 2048);
}

// 26T parameters would have 515 layers, 5 times a prime; 512 have stages.
TEST(FutureModel, HasLayersThatStagesShare) {
  EXPECT_EQ(future_model(26.3e12).layers, 512);
  EXPECT_EQ(future_model(405e9).layers % 2, 0);
}

}  // namespace
}  // namespace forerun
