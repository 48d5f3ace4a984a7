// Whole runs that were published: devices, hours, tokens and MFU of each must agree with the
// arithmetic from step to run.
#include <cmath>

#include <gtest/gtest.h>

#include "estimator/run/run_cost.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "topologies/read_cluster.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// The step of a run that keeps `mfu` of `peak`: FLOP of its tokens over what the devices do.
RunRequest at_mfu(const std::string& model,
                  double tokens,
                  std::int64_t sequence,
                  double batch_tokens,
                  std::int64_t devices,
                  FlopsPerSecond peak,
                  double mfu) {
  const Flops per_step = batch_tokens * model_flops_per_token(read_model(model), sequence);
  const Seconds step =
      (per_step / unit::flop) /
      ((static_cast<double>(devices) * mfu) * (peak / (unit::flop / unit::second))) * unit::second;
  return {tokens, batch_tokens, {step, step, step}, devices, Bytes()};
}

constexpr FlopsPerSecond h100 = 989.0 * unit::teraflop / unit::second;
constexpr FlopsPerSecond a100 = 312.0 * unit::teraflop / unit::second;

double million_hours(const RunCost& run) {
  return run.device_time.expected.in(unit::hour) / 1e6;
}

// 15.6 T tokens, MFU 38 to 43 % (arXiv 2407.21783, table 4); 30.84 M H100-hours (model card), which
// count what failures cost too: goodput was above 90 %.
TEST(PublishedRuns, Llama405bHoursLieBetweenItsMfuWithAndWithoutGoodput) {
  const double tokens_per_step = 16.0 * 1024 * 1024;
  const double best = million_hours(run_cost(
      at_mfu("llama-3.1-405b", 15.6e12, 8192, tokens_per_step, 16384, h100, 0.43), {}, {}));
  const double worst = million_hours(run_cost(
      at_mfu("llama-3.1-405b", 15.6e12, 8192, tokens_per_step, 16384, h100, 0.38), {}, {}));
  EXPECT_NEAR(best, 25.7, 0.1);  // 2.524e12 FLOP x 15.6e12 / (0.43 x 989e12) / 3600
  EXPECT_LT(best, 30.84);
  EXPECT_GT(worst / 0.9, 30.84);
}

// 419 unexpected interruptions in 54 days on 16,384 H100 are what the catalog's rate gives back,
// and at 10 minutes a restart more than 90 % of the time is useful.
TEST(PublishedRuns, Llama405bFails419TimesIn54DaysAndKeepsNineTenths) {
  const Cluster cluster = read_cluster("dgx-h100");
  RunSettings settings;
  settings.restart = 10.0 * unit::minute;
  const Seconds day = 1.0 * unit::day;
  RunRequest job{54.0, 1.0, {day, day, day}, 16384, checkpoint_size(405e9, true)};
  const RunCost run = run_cost(job, cluster, settings);
  ASSERT_TRUE(run.failures);
  // 54 days of wall clock: of useful time there is less.
  EXPECT_NEAR(run.failures->expected * 54.0 / run.time.expected.in(unit::day), 419.0, 1.0);
  EXPECT_NEAR(run.failures->interruptions.between_failures.in(unit::hour), 3.09, 0.01);
  EXPECT_GT(run.goodput->expected, 0.90);
  EXPECT_LT(run.goodput->expected, 0.96);
}

// GPU-hours of the model cards over the hours at MFU 1 are the MFU with all that failed: they must
// lie where their papers' step MFU (38 to 50 %) leaves room. Llama 2: arXiv 2307.09288, table 2, 2
// T tokens of 4096 on A100; Llama 3: model card, 15 T tokens of 8192 on H100; MPT: MosaicML's
// announcements (from memory), 1 T tokens of 2048 in 9.5 days on 440 A100 and 28.3 on 512, and
// llm-foundry's table of such A100, MFU 36 to 49 %.
TEST(PublishedRuns, DeviceHoursImplyTheUtilizationOfTheirKind) {
  const struct {
    const char* model;
    double tokens;
    std::int64_t sequence;
    FlopsPerSecond peak;
    double published_hours;
    double mfu_low, mfu_high;
  } runs[] = {{"llama-2-7b", 2e12, 4096, a100, 184320, 0.38, 0.50},
              {"llama-2-13b", 2e12, 4096, a100, 368640, 0.38, 0.50},
              {"llama-2-70b", 2e12, 4096, a100, 1720320, 0.40, 0.50},
              {"llama-3-8b", 15e12, 8192, h100, 1.3e6, 0.15, 0.45},
              {"llama-3-70b", 15e12, 8192, h100, 6.4e6, 0.26, 0.43},
              {"mpt-7b", 1e12, 2048, a100, 440 * 9.5 * 24, 0.36, 0.49},
              {"mpt-30b", 1e12, 2048, a100, 512 * 28.3 * 24, 0.36, 0.49}};

  for (const auto& run : runs) {
    const RunCost ideal =
        run_cost(at_mfu(run.model, run.tokens, run.sequence, 4e6, 2048, run.peak, 1.0), {}, {});
    const double mfu = ideal.device_time.expected.in(unit::hour) / run.published_hours;
    EXPECT_GT(mfu, run.mfu_low) << run.model;
    EXPECT_LT(mfu, run.mfu_high) << run.model;
  }
}

// arXiv 2412.19437, table 1 and section 4.2: 14.8 T tokens in 2.664 M H800-hours on 2,048; "180 K
// hours, 3.7 days, for each trillion tokens", in batches of up to 15,360 x 4096.
TEST(PublishedRuns, DeepSeekV3TakesItsHoursAndDays) {
  const double batch_tokens = 15360.0 * 4096.0;
  // 180 K hours a trillion on 2,048 devices: the step that makes.
  const Seconds step = batch_tokens / 1e12 * 180e3 / 2048.0 * unit::hour;
  const RunCost run = run_cost({14.8e12, batch_tokens, {step, step, step}, 2048, Bytes()}, {}, {});
  EXPECT_NEAR(million_hours(run), 2.664, 0.001);
  EXPECT_NEAR(run.time.expected.in(unit::day) / 14.8, 3.7, 0.05);
  // Of the H800's dense bf16 peak that is a third: it trained in fp8.
  const RunCost ideal =
      run_cost(at_mfu("deepseek-v3", 14.8e12, 4096, batch_tokens, 2048, h100, 1.0), {}, {});
  EXPECT_NEAR(million_hours(ideal) / 2.664, 0.39, 0.01);
}

// Runs whose speed was published with their length, numbers from memory: device-hours that tokens
// and speed come to, over those published. Speeds that count recomputation have four passes' FLOP
// for three.
TEST(PublishedRuns, HoursFollowFromTokensAndSpeed) {
  const struct {
    const char* model;
    double tokens;
    double speed_tflops;
    double passes;  // FLOP that the speed counts, over those of the model
    double published_hours;
    double low, high;  // of hours at that speed over hours published
  } runs[] = {
      // arXiv 2104.10350, table 4: 10,000 V100 at 24.6 TFLOP/s for 14.8 days.
      {"gpt3-175b", 300e9, 24.6, 1.0, 10'000 * 14.8 * 24, 0.97, 1.07},
      // arXiv 2205.01068: 992 A100 at 147 TFLOP/s with recomputation, 33 days for 300 G tokens.
      {"opt-175b", 300e9, 147, 4.0 / 3.0, 992 * 33.0 * 24, 0.97, 1.10},
      // arXiv 2211.02001: 1,082,990 A100-hours, stops included; arXiv 2211.05100: 366 G tokens at
      // 150.
      {"bloom-176b", 366e9, 150, 4.0 / 3.0, 1'082'990, 0.80, 1.0},
  };

  for (const auto& run : runs) {
    const RunCost at_speed = run_cost(at_mfu(run.model,
                                             run.tokens,
                                             2048,
                                             2e6,
                                             1024,
                                             1.0 * unit::teraflop / unit::second,
                                             run.speed_tflops / run.passes),
                                      {},
                                      {});
    const double ratio = at_speed.device_time.expected.in(unit::hour) / run.published_hours;
    EXPECT_GT(ratio, run.low) << run.model;
    EXPECT_LT(ratio, run.high) << run.model;
  }
}

// Energy and CO2 that were published with the hours (from memory): GPT-3's 10,000 V100 with their
// servers drew 330 W each for 14.8 days at PUE 1.1, 1,287 MWh, and 429 g/kWh are 552 t (arXiv
// 2104.10350, table 4); BLOOM's 1,082,990 hours at 400 W are 433,196 kWh, and 57 g/kWh 24.7 t
// (arXiv 2211.02001).
TEST(PublishedRuns, EnergyAndCo2FollowFromHoursAndPower) {
  const struct {
    double hours, watts, pue, grams, megawatt_hours, tonnes;
  } runs[] = {{10'000 * 14.8 * 24, 330, 1.1, 429, 1287, 552},
              {1'082'990, 400, 1.0, 57, 433.196, 24.7}};

  for (const auto& run : runs) {
    Cluster cluster;
    cluster.devices_per_node = 8;
    cluster.device.power = run.watts * unit::watt;
    cluster.power = {1.0, run.pue, std::nullopt, run.grams};
    const Seconds step = run.hours / 8.0 * unit::hour;
    const RunCost cost = run_cost({1.0, 1.0, {step, step, step}, 8, Bytes()}, cluster, {});
    const double used = cost.energy->expected.in(unit::kilowatt_hour) / 1000.0;
    EXPECT_NEAR(used / run.megawatt_hours, 1.0, 0.003);
    EXPECT_NEAR(cost.co2_kg->expected / 1000.0 / run.tonnes, 1.0, 0.003);
  }
}

}  // namespace
}  // namespace forerun
