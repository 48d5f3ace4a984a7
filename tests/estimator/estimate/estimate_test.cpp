// The estimate of whole jobs: the published 405B run, its document, and the laws of its numbers.
#include "estimator/estimate/estimate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/host_costs.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Job llama_405b(std::int64_t virtual_pipeline) {
  Job job;
  job.model = read_model("llama-3.1-405b");
  job.recipe.global_batch = 2048;
  job.recipe.micro_batch = 1;
  job.recipe.sequence = 8192;
  job.layout = {.tensor = 8, .pipeline = 16, .virtual_pipeline = virtual_pipeline, .data = 128};
  return job;
}

JobEstimate on(const char* cluster, const Job& job) {
  EstimateRequest request;
  request.job = job;
  request.hardware = sized_for(read_hardware(cluster), world_size(job.layout));
  return estimate_job(request);
}

double tflops(const JobEstimate& e) {
  return (e.step.model_flops / e.step_time / static_cast<double>(e.devices))
      .in(unit::teraflop / unit::second);
}

// Published: 400 TFLOP/s a GPU. The prices are datasheet numbers and nothing was fitted to it; the
// error is in the README. Here only the order of magnitude: between half and twice.
TEST(Estimate, OfThe405bRunIsOfThePublishedSize) {
  const double rate = tflops(on("dgx-h100", llama_405b(8)));
  EXPECT_GT(rate, 200.0);
  EXPECT_LT(rate, 800.0);
}

// Its bubble: 15/16 of the work instead of 15/128, so (1 + 15/128) / (1 + 15/16) = 0.577 of the
// rate if nothing else mattered.
TEST(Estimate, OfThe405bRunWithoutInterleavingComesToThreeFifths) {
  const double ratio =
      tflops(on("dgx-h100", llama_405b(1))) / tflops(on("dgx-h100", llama_405b(8)));
  EXPECT_NEAR(ratio, 0.6, 0.03);
}

TEST(Estimate, CountsEmbeddingAndHeadAsLayersThere) {
  const auto chunks = assign_layers(126, 128);
  EXPECT_EQ(chunks.front().count, 0);
  EXPECT_EQ(chunks.back().count, 0);
  EXPECT_EQ(chunks[1].count, 1);
}

// One micro-batch of an eager framework on one device, so that every launch is in the step once.
TEST(Estimate, AddsEveryLaunchWhereTheHostWaitsForKernels) {
  EstimateRequest request;
  request.job.model = read_model("gpt2-xl");
  request.job.recipe.sequence = 1024;
  request.job.recipe.software = *software_preset("megatron-2021");
  request.hardware = sized_for(read_hardware("dgx-a100"), 1);
  const auto host = [&](double microseconds, bool waits) {
    request.host = {microseconds * unit::microsecond, {}, waits};
    return estimate_job(request).step.breakdown.host;
  };
  EXPECT_EQ(host(1.0, false), Seconds());
  const Seconds each = host(1.0, true);
  // 48 layers of some twenty kernels forward and forty backward.
  EXPECT_GT(each.in(unit::millisecond), 48 * 0.04);
  EXPECT_LT(each.in(unit::millisecond), 48 * 0.1);
  EXPECT_NEAR(host(60.0, true) / each, 60.0, 1e-9);
  // The device's own time covers launches of a host that runs ahead.
  EXPECT_LT(host(200.0, false), host(200.0, true));
}

TEST(Estimate, OverlapsNothingWhereTheHostWaitsForKernels) {
  EstimateRequest request;
  request.job = llama_405b(8);
  request.job.recipe.software = *software_preset("megatron-core");
  request.hardware = sized_for(read_hardware("dgx-h100"), world_size(request.job.layout));
  request.job.recipe.software.waits_for_kernels = true;
  const JobEstimate waiting = estimate_job(request);
  request.job.recipe.software.waits_for_kernels = false;
  request.overlap = Overlap::off;
  const JobEstimate serial = estimate_job(request);
  EXPECT_EQ(waiting.step_time, serial.step_time);
  EXPECT_EQ(to_json(waiting)["inputs"]["recipe"]["launch_blocking"], "on");
}

TEST(HostCosts, AreThoseOfThePresetWithTheSameModules) {
  const HostCosts costs{{"megatron-2021", {50.0 * unit::microsecond}}};
  const auto per_launch = [&](const char* preset, bool waits) {
    Software software = *software_preset(preset);
    software.waits_for_kernels = waits;
    const HostCost cost = host_cost_of(software, costs);
    EXPECT_EQ(cost.waits, waits);
    EXPECT_EQ(cost.is_assumed, waits && std::string_view(preset) == "megatron-core");
    return cost.per_launch.in(unit::microsecond);
  };
  EXPECT_NEAR(per_launch("megatron-2021", false), 50.0, 1e-9);
  EXPECT_NEAR(per_launch("megatron-deepspeed", false), 50.0, 1e-9);
  EXPECT_EQ(per_launch("megatron-core", false), 0.0);
  EXPECT_NEAR(per_launch("megatron-core", true), 10.0, 1e-9);
  EXPECT_NEAR(per_launch("megatron-2021", true), 50.0, 1e-9);
}

// Products of 4 bits: a third of fp8's on GB300, whose peaks are 15 and 5 PFLOP/s; nothing else.
TEST(Estimate, Nvfp4ShortensProductsByThePeaks) {
  Job job;
  job.model = read_model("llama-3-70b");
  job.recipe.global_batch = 64;
  job.recipe.sequence = 8192;
  job.layout = {.tensor = 2, .pipeline = 4, .data = 8};
  job.recipe.precision = Precision::fp8;
  const JobEstimate fp8 = on("gb300-nvl72", job);
  job.recipe.precision = Precision::nvfp4;
  const JobEstimate nvfp4 = on("gb300-nvl72", job);
  EXPECT_LT(nvfp4.step_time, fp8.step_time);
  EXPECT_GT(nvfp4.step_time, 1.0 / 3.0 * fp8.step_time);
  EXPECT_LT(nvfp4.memory_peak, fp8.memory_peak);
  const auto datasheet = static_cast<std::size_t>(Tier::datasheet);
  EXPECT_GT(nvfp4.step.provenance.share[datasheet], fp8.step.provenance.share[datasheet]);
  EXPECT_GT(nvfp4.step.provenance.relative_error, fp8.step.provenance.relative_error);
  EXPECT_THROW((void)on("dgx-h100", job), InputError);
}

// One row a product: nothing but memory counts, and fp32 gradients are as wide as ever.
TEST(Estimate, Nvfp4IsNoFasterThanItsMemory) {
  Job job;
  job.model = read_model("llama-3-8b");
  job.recipe.global_batch = 1;
  job.recipe.sequence = 64;
  job.recipe.precision = Precision::nvfp4;
  const JobEstimate estimate = on("gb300-nvl72", job);
  const double gradients = 4.0 * 32 * 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336);
  EXPECT_GT(estimate.step.breakdown.compute.in(unit::second), 2.0 * gradients / 8e12);
}

Job fine_tuning(const char* model, Tuning tuning) {
  Job job;
  job.model = read_model(model);
  job.recipe.global_batch = 16;
  job.recipe.sequence = 512;
  job.recipe.recompute.kind = Recompute::full;
  job.recipe.zero = ZeroStage::none;
  job.recipe.software = usual_software(tuning != Tuning::full);
  job.recipe.tuning = tuning;
  job.recipe.adapters.rank = 64;
  return job;
}

// A frozen weight has no gradient; one of 4 bits is widened before every product.
TEST(Estimate, OfAdaptersLiesBelowThatOfEveryWeight) {
  const auto time = [](Tuning tuning) {
    return on("dgx-a100", fine_tuning("llama-3-8b", tuning)).step_time;
  };
  EXPECT_LT(time(Tuning::lora), time(Tuning::full));
  EXPECT_LT(time(Tuning::lora), time(Tuning::qlora));
}

// arXiv 2305.14314, section 5 and table 9: Guanaco, 9,846 dialogues of OASST1 in 1,875 steps of 16,
// fine-tuned "on a single GPU" in 12 hours (33B) and 24 (65B) on cards slower than this.
TEST(Estimate, EndsGuanacosFineTuningWithinADay) {
  for (const char* model : {"llama-30b", "llama-65b"}) {
    Job job = fine_tuning(model, Tuning::qlora);
    job.recipe.tokens = 1875.0 * 16 * 512;
    const JobEstimate estimate = on("dgx-a100", job);
    ASSERT_TRUE(estimate.run) << model;
    EXPECT_FALSE(estimate.infeasible_because) << model;
    const double days = to_json(estimate)["run"]["days"].get<double>();
    EXPECT_LT(days, 1.0) << model;
    EXPECT_GT(days, 0.1) << model;
  }
}

TEST(Estimate, OfADistillationAddsTheTeachersForwardPass) {
  Job job = fine_tuning("llama-3.2-1b", Tuning::full);
  const JobEstimate alone = on("dgx-a100", job);
  job.teacher = read_model("llama-3-8b");
  const JobEstimate taught = on("dgx-a100", job);
  const double added = (taught.step_time - alone.step_time).in(unit::second);
  // 2 FLOP a parameter and token, at a third of the peak to all of it.
  const double fastest = 2.0 * 7.5e9 * 16 * 512 / 312e12;
  EXPECT_GT(added, fastest);
  EXPECT_LT(added, 3.0 * fastest);
  EXPECT_EQ(to_json(taught)["inputs"]["recipe"]["teacher"], "llama-3-8b");
}

TEST(Estimate, DocumentPartsSumToTotals) {
  const auto document = to_json(on("dgx-h100", llama_405b(8)));
  double step = 0.0;
  for (const auto& [part, value] : document["breakdown_s"].items()) {
    step += value.get<double>();
  }
  EXPECT_DOUBLE_EQ(step, document["step_time_s"].get<double>());
  double memory = 0.0;
  for (const auto& [kind, value] : document["memory_bytes"].items()) {
    memory += value.get<double>();
  }
  EXPECT_NEAR(memory / document["memory_peak_bytes"].get<double>(), 1.0, 1e-12);
  double shares = 0.0;
  for (const auto& [tier, value] : document["provenance"].items()) {
    shares += value.get<double>();
  }
  EXPECT_NEAR(shares, 1.0, 1e-12);
}

TEST(Estimate, DocumentHasTheContractsKeys) {
  const auto document = to_json(on("dgx-h100", llama_405b(8)));
  for (const char* key : {"schema_version",
                          "forerun",
                          "inputs",
                          "step_time_s",
                          "breakdown_s",
                          "model_flops_per_step",
                          "hardware_flops_per_step",
                          "tflops_per_device",
                          "mfu",
                          "hfu",
                          "tokens_per_s",
                          "memory_peak_bytes",
                          "memory_bytes",
                          "feasible",
                          "infeasible_reason",
                          "bubble_fraction",
                          "provenance",
                          "error_band_s",
                          "run"}) {
    EXPECT_TRUE(document.contains(key)) << key;
  }
}

TEST(Estimate, RatesFollowFromTheStepTime) {
  const auto document = to_json(on("dgx-h100", llama_405b(8)));
  // 2.5240e12 FLOP a token (modelling notes, section 0), 2048 x 8192 tokens, 16384 GPUs.
  const double step = document["step_time_s"].get<double>();
  EXPECT_NEAR(document["tflops_per_device"].get<double>(),
              2.5240e12 * 2048 * 8192 / step / 16384 / 1e12,
              0.1);
  EXPECT_NEAR(
      document["mfu"].get<double>(), document["tflops_per_device"].get<double>() / 989.0, 1e-9);
  EXPECT_NEAR(document["tokens_per_s"].get<double>(), 2048 * 8192 / step, 1e-3);
}

TEST(Estimate, BandHoldsTheStepTime) {
  const JobEstimate estimate = on("dgx-h100", llama_405b(8));
  EXPECT_LT(estimate.band.low, estimate.step_time);
  EXPECT_GT(estimate.band.high, estimate.step_time);
}

TEST(Estimate, TwiceTheTokensTakeTwiceTheDays) {
  Job job = llama_405b(8);
  job.recipe.tokens = 2048.0 * 8192 * 1000;
  const auto once = on("dgx-h100", job);
  job.recipe.tokens = 2048.0 * 8192 * 2000;
  EXPECT_DOUBLE_EQ(on("dgx-h100", job).run->time.expected / once.run->time.expected, 2.0);
}

TEST(Estimate, MoreDevicesThanTheFabricIsWrongInput) {
  EXPECT_THROW((void)sized_for(read_hardware("dgx-h100"), 1 << 20), InputError);
}

TEST(Estimate, RefusesAJobThatCannotBeLaidOut) {
  Job job = llama_405b(8);
  job.layout.tensor = 7;
  EXPECT_THROW((void)on("dgx-h100", job), InputError);
}

TEST(Estimate, SaysWhatDoesNotFit) {
  Job job = llama_405b(1);
  job.layout = {.data = 8};
  const JobEstimate estimate = on("dgx-h100", job);
  ASSERT_TRUE(estimate.infeasible_because);
  EXPECT_THAT(*estimate.infeasible_because, testing::HasSubstr("stage 0 needs"));
  EXPECT_FALSE(to_json(estimate)["feasible"].get<bool>());
}

// Jamba has attention in one of eight layers and experts in every other; a tensor rank holds a part
// of each Mamba head group, a context rank would need the states of the one before.
TEST(Estimate, PricesHybridsButNotTheirContextParallelism) {
  Job job = llama_405b(1);
  job.model = read_model("jamba-v0.1");
  job.layout = {.tensor = 8, .data = 8};
  const JobEstimate estimate = on("dgx-h100", job);
  EXPECT_GT(estimate.step_time.in(unit::second), 0.0);
  job.layout = {.tensor = 8, .context = 2, .data = 4};
  EXPECT_THROW((void)on("dgx-h100", job), InputError);
}

}  // namespace
}  // namespace forerun
