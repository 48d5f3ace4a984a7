// A planner's questions: which layout, how many devices until a date or for a sum, what if.
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "comm/serial/serial_communicator.hpp"
#include "estimator/plan/launch_flags.hpp"
#include "estimator/plan/plan.hpp"
#include "estimator/plan/what_if.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

PlanRequest request(const std::string& model, std::vector<std::int64_t> devices) {
  PlanRequest request;
  request.model = read_model(model);
  request.hardware = read_hardware("dgx-h100");
  request.recipe.sequence = 2048;
  request.recipe.software = *software_preset("megatron-core");
  request.recipe.tokens = 100e9;
  request.devices = std::move(devices);
  request.batches = {256};
  request.choices.micro_batches = {1, 2};
  request.choices.recompute = {{Recompute::none, {}, 0}, {Recompute::full, {}, 0}};
  request.choices.schedules = {Schedule::one_f_one_b, Schedule::interleaved};
  return request;
}

Plan plan_of(const PlanRequest& request) {
  SerialCommunicator world;
  return make_plan(request, world);
}

TEST(MakePlan, ListsShapesOnceBestFirst) {
  const Plan plan = plan_of(request("llama-3-8b", {16}));
  ASSERT_EQ(plan.layouts.size(), 5U);
  std::set<LayoutShape> shapes;
  for (std::size_t i = 0; i < plan.layouts.size(); ++i) {
    EXPECT_TRUE(shapes.insert(shape_of(plan.layouts[i].candidate.layout)).second);
    EXPECT_FALSE(plan.layouts[i].estimate.infeasible_because);
    if (i > 0) {
      EXPECT_GE(plan.layouts[i].value, plan.layouts[i - 1].value);
    }
  }
}

// The document keeps what design.md promises, and its parts sum.
TEST(MakePlan, WritesTheContractsKeys) {
  const auto json = to_json(plan_of(request("llama-3-8b", {16})));
  for (const char* key : {"enumerated", "rejected", "evaluated", "feasible", "layouts", "pareto"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  std::int64_t sum = json["evaluated"].get<std::int64_t>();
  for (const auto& [rule, count] : json["rejected"].items()) {
    sum += count.get<std::int64_t>();
  }
  EXPECT_EQ(json["enumerated"], sum);
  const auto& best = json["layouts"][0];
  double parts = 0.0;
  for (const auto& [part, seconds] : best["breakdown_s"].items()) {
    parts += seconds.get<double>();
  }
  EXPECT_NEAR(parts / best["step_time_s"].get<double>(), 1.0, 1e-9);
  EXPECT_NEAR(best["memory_peak_bytes"].get<double>() + best["memory_headroom_bytes"].get<double>(),
              json["inputs"]["memory_per_device_bytes"].get<double>(),
              1.0);
  EXPECT_TRUE(json["layouts"][1].contains("slower_because"));
}

// More devices end sooner and cost more: the deadline picks the fewest that meet it when cost
// counts.
TEST(MakePlan, AnswersHowManyDevicesUntilADeadline) {
  PlanRequest wanted = request("llama-3-8b", {16, 32, 64, 128});
  wanted.objective = Objective::cost;
  wanted.second = Objective::time;
  const Plan free = plan_of(wanted);
  ASSERT_GE(free.pareto.size(), 2U);
  for (std::size_t i = 1; i < free.pareto.size(); ++i) {
    EXPECT_GT(free.pareto[i].estimate.run->cost->expected,
              free.pareto[i - 1].estimate.run->cost->expected);
    EXPECT_LT(free.pareto[i].estimate.run->time.expected,
              free.pareto[i - 1].estimate.run->time.expected);
  }
  wanted.deadline = 0.6 * free.layouts.front().estimate.run->time.expected;
  const Plan pressed = plan_of(wanted);
  ASSERT_FALSE(pressed.layouts.empty());
  EXPECT_GT(pressed.layouts.front().estimate.devices, free.layouts.front().estimate.devices);
  for (const PlannedLayout& one : pressed.layouts) {
    EXPECT_LE(one.estimate.run->time.expected, *wanted.deadline);
  }
}

TEST(MakePlan, NamesTheNearestWhereTheBudgetIsTooSmall) {
  PlanRequest wanted = request("llama-3-8b", {16, 32});
  wanted.max_cost = 10.0 * unit::dollar;
  const Plan plan = plan_of(wanted);
  EXPECT_TRUE(plan.layouts.empty());
  ASSERT_TRUE(plan.nearest);
  EXPECT_THAT(*plan.infeasible_because, HasSubstr("--max-cost is 10"));
}

TEST(MakePlan, NamesEveryLimitThatIsPassed) {
  PlanRequest wanted = request("llama-3-8b", {16});
  wanted.max_cost = 10.0 * unit::dollar;
  wanted.deadline = 1.0 * unit::hour;
  EXPECT_THAT(*plan_of(wanted).infeasible_because,
              AllOf(HasSubstr("--deadline is"), HasSubstr("--max-cost is 10")));
}

// However fast more devices are, a deadline asks for the fewest.
TEST(MakePlan, NamesTheFewestDevicesWithinTheLimits) {
  PlanRequest wanted = request("llama-3-8b", {16, 32, 64});
  wanted.top = 1;
  EXPECT_TRUE(to_json(plan_of(wanted))["fewest_devices"].is_null());
  wanted.deadline = 1000.0 * unit::day;
  const auto json = to_json(plan_of(wanted));
  EXPECT_EQ(json["layouts"][0]["devices"], 64);
  EXPECT_EQ(json["fewest_devices"]["devices"], 16);
}

TEST(MakePlan, NamesTheNearestNumberOfDevicesThatCanBeLaidOut) {
  EXPECT_THAT(*plan_of(request("llama-3-8b", {65})).infeasible_because,
              HasSubstr("the nearest number of devices with a legal layout is 64"));
}

// 100 steps whatever the batch is.
TEST(MakePlan, RunsStepsInPlaceOfTokens) {
  PlanRequest wanted = request("llama-3-8b", {16});
  wanted.recipe.tokens.reset();
  wanted.run.steps = 100.0;
  wanted.deadline = 30.0 * unit::day;
  const PlannedLayout best = plan_of(wanted).layouts.front();
  EXPECT_EQ(best.estimate.run->steps, 100.0);
  EXPECT_NEAR(best.estimate.run->time.expected / best.estimate.step_time, 100.0, 1e-9);
}

// Owned devices cost too, and the message names the option that asked.
TEST(MakePlan, HoldsABudgetAgainstOwnedDevices) {
  PlanRequest wanted = request("llama-3-8b", {16});
  Economics& economics = wanted.hardware.cluster.economics;
  economics.price_per_device_hour.reset();
  wanted.max_cost = 1e9 * unit::dollar;
  try {
    (void)plan_of(wanted);
    FAIL() << "no price";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("--max-cost"), HasSubstr("--price")));
  }
  economics.purchase =
      Purchase{40'000.0 * unit::dollar, 4.0 * unit::year, 0.08 * unit::dollar, 0.3};
  wanted.objective = Objective::cost;
  const Plan plan = plan_of(wanted);
  ASSERT_FALSE(plan.layouts.empty());
  EXPECT_NEAR(plan.layouts.front().value,
              plan.layouts.front().estimate.run->cost->expected.in(unit::dollar),
              1e-9);
}

TEST(MakePlan, NamesWhatBindsWhereNothingFits) {
  PlanRequest wanted = request("llama-3.1-405b", {16});
  const Plan plan = plan_of(wanted);
  EXPECT_TRUE(plan.layouts.empty());
  ASSERT_TRUE(plan.nearest);
  EXPECT_THAT(*plan.infeasible_because, HasSubstr("nothing fits into 80 GiB"));
  EXPECT_THAT(*plan.infeasible_because, HasSubstr("on stage"));
  // It is the smallest: every shape's smallest needs at least as much.
  EXPECT_GT(plan.nearest->estimate.memory_peak, plan.request.hardware.cluster.device.memory);
}

TEST(MakePlan, RefusesLimitsThatNothingCanBeHeldAgainst) {
  PlanRequest wanted = request("llama-3-8b", {16});
  wanted.recipe.tokens.reset();
  wanted.deadline = 1.0 * unit::day;
  EXPECT_THROW((void)plan_of(wanted), InputError);
  wanted = request("llama-3-8b", {16});
  wanted.hardware.cluster.economics.price_per_device_hour.reset();
  wanted.objective = Objective::cost;
  EXPECT_THROW((void)plan_of(wanted), InputError);
}

TEST(WhatIf, ScalesWhatTheClusterFileSays) {
  const Cluster before = read_hardware("dgx-h100").cluster;
  const Cluster after = changed(before, what_if_from("net=0.5,hbm=1.2,flops=2"));
  EXPECT_DOUBLE_EQ(after.levels[0].bandwidth / before.levels[0].bandwidth, 1.0);
  EXPECT_DOUBLE_EQ(after.levels[1].bandwidth / before.levels[1].bandwidth, 0.5);
  EXPECT_DOUBLE_EQ(after.device.memory_bandwidth / before.device.memory_bandwidth, 1.2);
  EXPECT_DOUBLE_EQ(after.device.peak.at(DataType::bf16) / before.device.peak.at(DataType::bf16),
                   2.0);
}

TEST(WhatIf, MakesTheBestStepSlowerWhereTheNetworkIs) {
  PlanRequest wanted = request("llama-3-8b", {64});
  const Seconds as_is = plan_of(wanted).layouts.front().estimate.step_time;
  change_hardware(wanted.hardware, what_if_from("net=0.25"));
  EXPECT_GT(plan_of(wanted).layouts.front().estimate.step_time, as_is);
  PlanRequest faster = request("llama-3-8b", {64});
  change_hardware(faster.hardware, what_if_from("flops=2"));
  EXPECT_LT(plan_of(faster).layouts.front().estimate.step_time, as_is);
}

// Links inside nodes count although the catalog has measured collectives of them.
TEST(WhatIf, ChangesLinksInsideNodes) {
  const auto step = [](const char* what) {
    PlanRequest wanted = request("llama-3-8b", {8});
    wanted.choices.layouts = "tp=8";
    change_hardware(wanted.hardware, what_if_from(what));
    return plan_of(wanted).layouts.front().value;
  };
  EXPECT_GT(step("nvlink=0.5"), 1.1 * step("nvlink=2"));
  EXPECT_GT(step("nvlink=0.1"), 1.1 * step("nvlink=0.5"));
  PlanRequest wanted = request("llama-3-8b", {8});
  change_hardware(wanted.hardware, what_if_from("net=0.5"));
  EXPECT_TRUE(wanted.hardware.cluster.node_profile.has_value());
}

TEST(WhatIf, NamesWhatCanBeChanged) {
  EXPECT_THROW((void)what_if_from("nett=2"), InputError);
  EXPECT_THROW((void)what_if_from("net=fast"), InputError);
  EXPECT_THROW((void)what_if_from("net=-1"), InputError);
  EXPECT_THROW((void)what_if_from(""), InputError);
}

TEST(LaunchText, SpellsTheLayoutForEachFramework) {
  Job job{read_model("llama-3.1-405b"), {}, {}};
  job.layout = {.tensor = 8, .pipeline = 16, .virtual_pipeline = 8, .data = 128};
  job.recipe.global_batch = 2048;
  job.recipe.sequence = 8192;
  job.recipe.recompute = {Recompute::block, {}, 1};
  const std::string megatron = launch_text(job, Overlap::on, LaunchFormat::megatron);
  for (const char* line : {"--tensor-model-parallel-size 8\n",
                           "--pipeline-model-parallel-size 16\n",
                           "--num-virtual-stages-per-pipeline-rank 8\n",
                           "--account-for-embedding-in-pipeline-split\n",
                           "--sequence-parallel\n",
                           "--global-batch-size 2048\n",
                           "--recompute-method block\n",
                           "--use-distributed-optimizer\n",
                           "--overlap-grad-reduce\n"}) {
    EXPECT_THAT(megatron, HasSubstr(line));
  }
  const std::string titan = launch_text(job, Overlap::on, LaunchFormat::torchtitan);
  EXPECT_THAT(titan, HasSubstr("tensor_parallel_degree = 8\n"));
  EXPECT_THAT(titan, HasSubstr("pipeline_parallel_schedule = \"Interleaved1F1B\"\n"));
  EXPECT_THAT(titan, HasSubstr("# no setting for ZeRO-1 alone"));
  const std::string nemo = launch_text(job, Overlap::on, LaunchFormat::nemo);
  EXPECT_THAT(nemo, HasSubstr("  virtual_pipeline_model_parallel_size: 8\n"));
  EXPECT_THAT(nemo, HasSubstr("  activations_checkpoint_method: block\n"));
}

// What a plan proposes the framework must be able to run, and --fsdp to take.
TEST(LaunchText, HasASettingForEveryShardingOfItsFramework) {
  Job job{read_model("llama-3-8b"), {}, {}};
  job.layout = {.data = 64};
  job.recipe.global_batch = 64;
  job.recipe.sequence = 4096;
  for (const LaunchFormat format :
       {LaunchFormat::megatron, LaunchFormat::torchtitan, LaunchFormat::nemo}) {
    for (const Sharding& sharding : shardings_of(format, 8)) {
      job.recipe.zero = sharding.zero;
      job.recipe.shard_group = sharding.group == 0 ? 0 : 8;
      EXPECT_THAT(launch_text(job, Overlap::on, format), Not(HasSubstr("no setting for")));
    }
  }
}

// torchtitan asserts: DDP stands alone, asynchronous tensor parallelism needs compilation, experts
// borrow whole groups of tensor and context ranks.
TEST(LaunchText, KeepsTorchtitansRules) {
  Job job{read_model("qwen3-30b-a3b"), {}, {}};
  job.layout = {.tensor = 2, .pipeline = 1, .data = 8};
  job.layout.expert = 8;
  job.recipe.global_batch = 64;
  job.recipe.sequence = 4096;
  job.recipe.software = *software_preset("torchtitan");
  job.recipe.software.overlaps_tensor_backward = true;
  job.recipe.zero = ZeroStage::parameters;
  const auto text = [&] { return launch_text(job, Overlap::on, LaunchFormat::torchtitan); };
  EXPECT_THAT(text(), HasSubstr("enable_async_tensor_parallel = true\n"));
  EXPECT_THAT(text(), HasSubstr("[compile]\nenable = true\n"));
  EXPECT_THAT(text(), Not(HasSubstr("no setting for ep")));
  job.layout = {.tensor = 1, .pipeline = 2, .virtual_pipeline = 2, .data = 8};
  job.layout.expert = 8;
  job.recipe.schedule = Schedule::dualpipe_v;
  job.recipe.recompute.kind = Recompute::full;
  EXPECT_THAT(text(), HasSubstr("no setting for recomputation beside DualPipeV with experts"));
  job.recipe.recompute.kind = Recompute::none;
  EXPECT_THAT(text(), Not(HasSubstr("no setting for recomputation")));
  job.recipe.schedule.reset();
  job.layout = {};
  job.layout.expert = 1;
  job.layout.data = 16;
  job.layout.tensor = 1;
  EXPECT_THAT(text(), Not(HasSubstr("enable_async_tensor_parallel")));
  job.layout.tensor = 4;
  job.layout.data = 4;
  job.layout.expert = 2;  // not whole groups of tp=4
  EXPECT_THAT(text(), HasSubstr("# no setting for ep=2 with etp=1, tp=4, cp=1 and 4 ranks"));
  job.layout.expert = 1;
  job.recipe.zero = ZeroStage::none;
  EXPECT_THAT(text(),
              HasSubstr("data_parallel_replicate_degree = 1\n"
                        "data_parallel_shard_degree = 4\n"
                        "fsdp_reshard_after_forward = \"never\"\n"));
  EXPECT_THAT(text(), HasSubstr("# no setting for ZeRO-0 alone"));
  job.layout = {.data = 16};
  EXPECT_THAT(text(),
              HasSubstr("data_parallel_replicate_degree = 16\n"
                        "data_parallel_shard_degree = 1\n"));
  EXPECT_THAT(text(), Not(HasSubstr("no setting for ZeRO")));
}

// Megatron-LM's own checks: key-value heads a multiple of the tensor ranks, layers of the chunks or
// a list of them, a score function beside the router's bias, a checkpoint format for its FSDP.
TEST(LaunchText, KeepsMegatronsRules) {
  Job job{read_model("deepseek-v3"), {}, {}};
  job.layout = {.tensor = 1, .pipeline = 4, .data = 64};
  job.layout.expert = 64;
  job.recipe.global_batch = 2048;
  job.recipe.sequence = 4096;
  const auto text = [&] { return launch_text(job, Overlap::on, LaunchFormat::megatron); };
  for (const char* line : {"--moe-router-score-function sigmoid\n",
                           "--moe-token-dispatcher-type alltoall\n",
                           "--moe-grouped-gemm\n",
                           "--qk-layernorm\n",
                           "--pipeline-model-parallel-layout 'Et*16|t*15|t*15|t*15L'\n"}) {
    EXPECT_THAT(text(), HasSubstr(line));
  }
  job.recipe.zero = ZeroStage::parameters;
  EXPECT_THAT(text(), HasSubstr("--ckpt-format fsdp_dtensor\n"));
  job = {read_model("llama-3-70b"), {}, {}};
  job.layout = {.tensor = 16, .data = 4};
  job.recipe.global_batch = 64;
  job.recipe.sequence = 4096;
  EXPECT_THAT(text(), HasSubstr("# no setting for 8 key-value heads over tp=16"));
  job.layout = {.tensor = 8, .data = 8};
  EXPECT_THAT(text(), Not(HasSubstr("key-value heads")));
  EXPECT_THAT(text(), Not(HasSubstr("--pipeline-model-parallel-layout")));
}

TEST(MakePlan, LeavesKeyValueHeadsWholeForFrameworks) {
  PlanRequest wanted = request("llama-3-70b", {64});
  wanted.choices.layouts = "tp=8..16,pp=4";
  wanted.choices.whole_heads = true;
  const Plan plan = plan_of(wanted);
  ASSERT_FALSE(plan.layouts.empty());
  for (const PlannedLayout& one : plan.layouts) {
    EXPECT_EQ(one.candidate.layout.tensor, 8);
  }
}

TEST(MakePlan, LeastMemoryComesInDifferentShapes) {
  PlanRequest wanted = request("llama-3-8b", {16});
  wanted.objective = Objective::memory;
  const Plan plan = plan_of(wanted);
  ASSERT_GT(plan.layouts.size(), 1U);
  std::set<std::string> shapes;
  for (const PlannedLayout& one : plan.layouts) {
    EXPECT_TRUE(shapes.insert(text_of(one.candidate.layout)).second);
  }
}

TEST(MakePlan, SaysThatADenseModelHasNoExperts) {
  PlanRequest wanted = request("llama-3-8b", {16});
  wanted.choices.layouts = "tp=2,ep=4";
  const Plan plan = plan_of(wanted);
  ASSERT_TRUE(plan.infeasible_because.has_value());
  EXPECT_THAT(*plan.infeasible_because, HasSubstr("llama-3-8b has none, ep=1 is the nearest"));
}

// With tp over a whole node its replicas are alone there: groups of one would shard nothing.
TEST(MakePlan, ProposesNoGroupsOfOne) {
  PlanRequest wanted = request("gpt3-175b", {128});
  wanted.choices.layouts = "tp=8,pp=8";
  wanted.choices.shardings = {{ZeroStage::parameters, node_group}};
  const Plan plan = plan_of(wanted);
  EXPECT_TRUE(plan.layouts.empty());
  EXPECT_EQ(plan.counts.evaluated, 0);
}

Job tuned_job() {
  Job job{read_model("llama-3-8b"), {}, {}};
  job.layout = {.tensor = 2, .pipeline = 2, .data = 4};
  job.recipe.global_batch = 64;
  job.recipe.sequence = 4096;
  job.recipe.software = *software_preset("megatron-core");
  return job;
}

TEST(LaunchText, SaysThatRecomputationByStageHasNoSetting) {
  Job job = tuned_job();
  job.recipe.recompute = {Recompute::block, {}, 0, {5, 2}};
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::megatron),
              AllOf(HasSubstr("# no setting for recompute block:5+2: --recompute-num-layers"),
                    Not(HasSubstr("--recompute-granularity"))));
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::nemo),
              HasSubstr("# no setting for recompute block:5+2"));
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::torchtitan),
              HasSubstr("# no setting for recompute block:5+2"));
}

// By the names of NeMo 1's megatron_gpt_finetuning_config.yaml.
TEST(LaunchText, SpellsAdaptersForNemo) {
  Job job = tuned_job();
  job.recipe.tuning = Tuning::qlora;
  job.recipe.adapters.rank = 64;
  const std::string all = launch_text(job, Overlap::on, LaunchFormat::nemo);
  EXPECT_THAT(all,
              HasSubstr("  peft:\n"
                        "    peft_scheme: qlora\n"
                        "    lora_tuning:\n"
                        "      variant: canonical\n"
                        "      target_modules: [attention_qkv, attention_dense, mlp_fc1, mlp_fc2]\n"
                        "      adapter_dim: 64\n"));
  EXPECT_THAT(all, Not(HasSubstr("adapters of a part")));
  job.recipe.tuning = Tuning::lora;
  job.recipe.adapters.targets = *lora_targets_from("q_proj+v_proj");
  const std::string some = launch_text(job, Overlap::on, LaunchFormat::nemo);
  EXPECT_THAT(some, HasSubstr("target_modules: [attention_qkv]\n"));
  EXPECT_THAT(some, HasSubstr("# no setting for adapters of a part of attention_qkv\n"));
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::megatron),
              HasSubstr("# no setting for adapters\n"));
}

TEST(LaunchText, SpellsWhatIsOffloadedAsFarAsTheFrameworkCan) {
  Job job = tuned_job();
  job.recipe.offload = {.activations = true, .optimizer = true, .weights = false};
  const std::string megatron = launch_text(job, Overlap::on, LaunchFormat::megatron);
  EXPECT_THAT(megatron, HasSubstr("--optimizer-cpu-offload\n--optimizer-offload-fraction 1.0\n"));
  EXPECT_THAT(megatron, HasSubstr("--use-precision-aware-optimizer\n"));
  EXPECT_THAT(megatron, HasSubstr("# no setting for offloading all activations\n"));
  job.recipe.offload = {.activations = false, .optimizer = true, .weights = true};
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::torchtitan),
              HasSubstr("# no setting for offloading all optimizer,weights\n"));
  job.recipe.zero = ZeroStage::parameters;
  const std::string titan = launch_text(job, Overlap::on, LaunchFormat::torchtitan);
  EXPECT_THAT(titan, HasSubstr("enable_cpu_offload = true\n"));
  EXPECT_THAT(titan, Not(HasSubstr("offloading")));
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::nemo),
              HasSubstr("# no setting for offloading all optimizer,weights\n"));
}

TEST(LaunchText, SpellsUnevenStages) {
  Job job = tuned_job();
  job.recipe.stage_split = *stage_split_from("17+15");
  const std::string titan = launch_text(job, Overlap::on, LaunchFormat::torchtitan);
  EXPECT_THAT(titan,
              HasSubstr("module_fqns_per_model_part = [[\"tok_embeddings\", \"layers.0\", "));
  EXPECT_THAT(titan, HasSubstr("\"layers.16\"], [\"layers.17\", "));
  EXPECT_THAT(titan, HasSubstr("\"layers.31\", \"norm\", \"output\"]]\n"));
  EXPECT_THAT(titan, Not(HasSubstr("layers_per_stage")));
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::nemo),
              HasSubstr("# no setting for layers by stage, 17+15\n"));
  job.recipe.stage_split = *stage_split_from("ends:1+1");
  EXPECT_THAT(launch_text(job, Overlap::on, LaunchFormat::nemo),
              HasSubstr("  account_for_embedding_in_pipeline_split: true\n"
                        "  account_for_loss_in_pipeline_split: true\n"));
}

}  // namespace
}  // namespace forerun
