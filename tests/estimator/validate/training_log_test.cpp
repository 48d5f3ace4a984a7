// Logs as Megatron-LM and torchtitan print them, and the gap to an estimate.
#include "estimator/validate/training_log.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/validate/log_comparison.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Lines as a public run of 2025 printed them; timers as core/timers.py formats them.
const char* const megatron_log =
    "Theoretical memory footprints: weight and optimizer=10764.77 MB\n"
    "[Rank 4] (after 1 iterations) memory (MB) | allocated: 9334.37 | max allocated: 10606.50 | "
    "reserved: 10998.0 | max reserved: 10998.0\n"
    "[Rank 2] (after 1 iterations) memory (MB) | allocated: 9334.37 | max allocated: 12680.63 | "
    "reserved: 13236.0 | max reserved: 13236.0\n"
    " [2025-08-01 07:19:37] iteration        1/    5000 | consumed samples:          128 | elapsed "
    "time per iteration (ms): 19138.8 | throughput per GPU (TFLOP/s/GPU): 80.2 | learning rate: "
    "6.976744E-08 | global batch size:   128 | lm loss: 1.043863E+01 | loss scale: 1.0 |\n"
    "(min, max) time across ranks (ms):\n"
    "    forward-backward ...............................: (9500.00, 10000.00)\n"
    "    all-grads-sync .................................: (100.10, 200.00)\n"
    "    optimizer ......................................: (280.00, 300.00)\n"
    "    params-all-gather ..............................: (90.00, 100.00)\n"
    " [2025-08-01 07:19:50] iteration        2/    5000 | consumed samples:          256 | elapsed "
    "time per iteration (ms): 12936.1 | throughput per GPU (TFLOP/s/GPU): 118.7 | global batch "
    "size:   128 | lm loss: 1.044022E+01 |\n"
    " [2025-08-01 07:20:03] iteration        3/    5000 | consumed samples:          384 | elapsed "
    "time per iteration (ms): 12978.1 | throughput per GPU (TFLOP/s/GPU): 118.3 | global batch "
    "size:   128 | lm loss: 1.044375E+01 |\n"
    " [2025-08-01 07:20:16] iteration        4/    5000 | consumed samples:          640 | elapsed "
    "time per iteration (ms): 25000.0 | global batch size:   256 | lm loss: 1.0E+01 |\n";

// The fields that the comparison reads.
JobEstimate estimate_of(std::int64_t batch) {
  JobEstimate estimate;
  estimate.request.job.model = read_model("gpt2");
  estimate.request.job.recipe.global_batch = batch;
  estimate.request.job.recipe.sequence = 8192;
  estimate.devices = 128;
  estimate.step_time = 10.0 * unit::second;
  estimate.step.breakdown.compute = 9.0 * unit::second;
  estimate.step.breakdown.data_parallel = 0.8 * unit::second;
  estimate.step.breakdown.optimizer = 0.2 * unit::second;
  estimate.band = {8.0 * unit::second, 12.0 * unit::second};
  estimate.step.memory.resize(1);
  estimate.step.memory[0].weights = 10.0 * unit::gibibyte;
  estimate.step.memory[0].fragmentation = 1.0 * unit::gibibyte;
  estimate.step.memory[0].context = 5.0 * unit::gibibyte;
  return estimate;
}

TEST(TrainingLog, ReadsMegatronsIterationsMemoryAndTimers) {
  const TrainingLog log = read_training_log_text(megatron_log, "a.log");
  EXPECT_EQ(log.format, LogFormat::megatron);
  ASSERT_EQ(log.iterations.size(), 4U);
  EXPECT_EQ(log.iterations[1].number, 2);
  EXPECT_DOUBLE_EQ(log.iterations[1].time->in(unit::second), 12.9361);
  EXPECT_EQ(log.iterations[1].batch, 128);
  EXPECT_EQ(log.iterations[1].tflops, 118.7);
  EXPECT_NEAR(log.most_allocated->in(unit::mebibyte), 12680.63, 1e-6);
  EXPECT_NEAR(log.most_reserved->in(unit::mebibyte), 13236.0, 1e-6);
  EXPECT_NEAR(log.timers.at("forward-backward").in(unit::second), 10.0, 1e-12);
  EXPECT_NEAR(log.timers.at("all-grads-sync").in(unit::second), 0.2, 1e-12);
}

// By hand: iterations 2 and 3 remain (1 is warm-up, 4 has another batch); their median is
// 12.9571. Timers: passes 10, data-parallel 0.2 + 0.1, optimizer 0.3 - 0.1, the rest outside.
TEST(TrainingLog, SplitsTheGapByTheTimersOfTheLog) {
  const LogComparison comparison =
      compare_with_log(read_training_log_text(megatron_log, "a.log"), estimate_of(128));
  EXPECT_EQ(comparison.used, 2);
  EXPECT_EQ(comparison.warm_up, 1);
  EXPECT_EQ(comparison.other_batch, 1);
  EXPECT_NEAR(comparison.measured.in(unit::second), 12.9571, 1e-9);
  ASSERT_EQ(comparison.parts.size(), 4U);
  EXPECT_NEAR(comparison.parts[0].measured->in(unit::second), 10.0, 1e-9);
  EXPECT_NEAR(comparison.parts[1].measured->in(unit::second), 0.3, 1e-9);
  EXPECT_NEAR(comparison.parts[2].measured->in(unit::second), 0.2, 1e-9);
  EXPECT_NEAR(comparison.parts[3].measured->in(unit::second), 2.4571, 1e-9);
  Seconds predicted;
  Seconds measured;
  for (const LogPart& part : comparison.parts) {
    predicted += part.predicted;
    measured += *part.measured;
  }
  EXPECT_NEAR(predicted / comparison.predicted, 1.0, 1e-12);
  EXPECT_NEAR(measured / comparison.measured, 1.0, 1e-12);
}

TEST(TrainingLog, ComparesMemoryLikeWithLike) {
  const auto json =
      log_json("a.log", read_training_log_text(megatron_log, "a.log"), estimate_of(128));
  // 10 GiB of tensors against 12,680.63 MiB allocated; 11 against 13,236 reserved.
  EXPECT_NEAR(json["memory"]["allocated_error"].get<double>(), 10240.0 / 12680.63 - 1.0, 1e-9);
  EXPECT_NEAR(json["memory"]["reserved_error"].get<double>(), 11264.0 / 13236.0 - 1.0, 1e-9);
  EXPECT_NEAR(json["error"].get<double>(), 10.0 / 12.9571 - 1.0, 1e-9);
  EXPECT_FALSE(json["inside_band"].get<bool>());
  EXPECT_NEAR(json["error_if_alone"]["compute"].get<double>(), 2.9571 / 9.0, 1e-9);
}

// 2 x 8,192 tokens of a replica over 8 ranks at 200 tokens a second each: batch 32 on 128 devices
// is 2,048 tokens a device, 10.24 s.
TEST(TrainingLog, ReadsTorchtitansColouredLines) {
  const TrainingLog log = read_training_log_text(
      "[rank0]:2025-05-01 10:00:00,000 - root - INFO - \x1b[31mstep:  1  \x1b[32mloss: 12.2504  "
      "\x1b[33mmemory: 26.99GiB(28.41%)  \x1b[34mtps: 75  \x1b[36mtflops: 1.22  \x1b[35mmfu: "
      "0.12%\x1b[39m\n"
      "[rank0]:2025-05-01 10:00:10,000 - root - INFO - \x1b[31mstep: 10  \x1b[32mloss: 10.9271  "
      "\x1b[33mmemory: 72.10GiB(75.90%)  \x1b[34mtps: 1,200  \x1b[36mtflops: 1,400.10  \x1b[35m"
      "mfu: 40.12%\x1b[39m\n"
      "[rank0]: validate step: 10  loss: 10.1  memory: 79.10GiB(75.90%)  tps: 9,200\n",
      "b.log");
  EXPECT_EQ(log.format, LogFormat::torchtitan);
  ASSERT_EQ(log.iterations.size(), 2U);
  EXPECT_EQ(log.iterations[1].tokens_per_second, 1200.0);
  EXPECT_NEAR(log.most_reserved->in(unit::gibibyte), 72.10, 1e-9);
  const LogComparison comparison = compare_with_log(log, estimate_of(32));
  EXPECT_NEAR(comparison.measured.in(unit::second), 2048.0 / 1200.0, 1e-9);
  EXPECT_FALSE(comparison.parts.front().measured);
}

TEST(TrainingLog, TakesNothingButNumbersForNumbers) {
  const auto lines_with = [](const char* number, const char* time, const char* batch) {
    return std::string("iteration ") + number + "/ 9 | elapsed time per iteration (ms): " + time +
           " | global batch size: " + batch + " |\n";
  };
  for (const char* text : {"nan", "inf", "-1", "1e300", "0"}) {
    EXPECT_THROW(static_cast<void>(read_training_log_text(lines_with("1", text, "1"), "a.log")),
                 InputError)
        << text;
  }
  const TrainingLog log = read_training_log_text(lines_with("1", "10.0", "1e300"), "a.log");
  EXPECT_EQ(log.iterations.at(0).batch, std::nullopt);
  EXPECT_THROW(static_cast<void>(read_training_log_text(lines_with("1e300", "1", "1"), "a.log")),
               InputError);
}

TEST(TrainingLog, SaysWhatItMisses) {
  EXPECT_THROW(static_cast<void>(read_training_log_text("nothing\n", "c.log")), InputError);
  EXPECT_THROW(static_cast<void>(compare_with_log(read_training_log_text(megatron_log, "a.log"),
                                                  estimate_of(64))),
               InputError);
}

}  // namespace
}  // namespace forerun
