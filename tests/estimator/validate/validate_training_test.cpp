// Published runs predicted row by row: blind to results, and never thrown off by a cell.
#include "estimator/validate/validate_training.hpp"

#include <cmath>
#include <filesystem>
#include <random>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "estimator/validate/validation.hpp"
#include "tests/estimator/validate/written_file.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::Contains;
using testing::HasSubstr;

// Narayanan et al. 2021, table 2, the run on 384 devices: 76.78 s by 153 TFLOP/s.
TrainingRow narayanan() {
  TrainingRow row;
  row.id = "ptd-384";
  row.source = "Narayanan et al. 2021 (SC21) Table 2";
  row.configuration = {{"id", "ptd-384"},
                       {"source", row.source},
                       {"model", "GPT 174.6B"},
                       {"layers", "96"},
                       {"hidden", "12288"},
                       {"ffn_hidden", "49152"},
                       {"heads", "96"},
                       {"kv_heads", "96"},
                       {"head_dim", "128"},
                       {"vocab", "51200"},
                       {"seq_len", "2048"},
                       {"gpu", "A100-80GB SXM"},
                       {"gpu_family", "A100"},
                       {"num_gpus", "384"},
                       {"precision", "fp16"},
                       {"tp", "8"},
                       {"pp", "12"},
                       {"dp", "4"},
                       {"recompute", "full"},
                       {"micro_batch", "1"},
                       {"global_batch", "1536"}};
  row.results = {{"step_time_s", "76.78"}};
  return row;
}

RowPrediction predict(const TrainingRow& row) {
  return RowPredictor({}).predict(row);
}

TEST(RowPredictor, PricesARunThatStatesEverything) {
  const ValidationRow row = predict(narayanan()).row;
  ASSERT_TRUE(is_priced(row)) << row.skip_reason;
  EXPECT_EQ(row.layout, "tp=8,pp=12,dp=4");
  EXPECT_EQ(row.published_from, "step_time_s");
  EXPECT_THAT(row.groups, Contains("parallel: tp+pp+dp"));
  EXPECT_THAT(row.groups, Contains("device: A100"));
  // 4.6e18 FLOP by the paper's count on 384 devices of 312 TFLOP/s: no faster than peak.
  EXPECT_GT(*row.predicted, 153.0 / 312.0 * 76.78 * unit::second);
  EXPECT_LT(*row.predicted, 2.0 * 76.78 * unit::second);
}

TEST(RowPredictor, SaysWhatItAssumed) {
  EXPECT_THAT(predict(narayanan()).row.assumed, Contains("zero_stage"));
  TrainingRow stated = narayanan();
  stated.configuration["zero_stage"] = "0";
  EXPECT_THAT(predict(stated).row.assumed, testing::Not(Contains("zero_stage")));
}

TEST(RowPredictor, IsBlindToResults) {
  const auto before = predict(narayanan()).row.predicted;
  TrainingRow other = narayanan();
  other.results = {{"step_time_s", "1"},
                   {"tflops_per_gpu", "1"},
                   {"mfu_pct", "1"},
                   {"hfu_pct", "1"},
                   {"tokens_per_s_per_gpu", "1"},
                   {"memory_gb", "1"}};
  const auto after = predict(other).row.predicted;
  ASSERT_TRUE(before && after);
  EXPECT_EQ(*before, *after);
}

// Open micro-batch: no stated one that fits is faster than the choice.
TEST(RowPredictor, TakesTheBestMicroBatchThatFits) {
  TrainingRow open = narayanan();
  open.source = open.configuration["source"] = "elsewhere";
  open.configuration["software"] = "megatron-2021";
  open.configuration.erase("micro_batch");
  const RowPrediction chosen = predict(open);
  ASSERT_TRUE(is_priced(chosen.row)) << chosen.row.skip_reason;
  EXPECT_THAT(chosen.row.assumed, Contains("micro_batch"));
  for (const char* size : {"1", "2", "4"}) {
    TrainingRow stated = open;
    stated.configuration["micro_batch"] = size;
    const RowPrediction one = predict(stated);
    ASSERT_TRUE(is_priced(one.row)) << one.row.skip_reason;
    if (one.facts.is_feasible) {
      EXPECT_LE(*chosen.row.predicted, *one.row.predicted) << size;
    }
  }
}

// A stage of 8 layers holds 12 micro-batches, about 55 GB of activations beside 33 GB of state when
// nothing is recomputed: a little over 80 GB, which the estimate may overstate. Four times the
// activations cannot have run so; of the row's layers, not all need to be recomputed.
TEST(RowPredictor, RecomputesOnlyWhereARunCouldNotHaveRunWithout) {
  TrainingRow open = narayanan();
  open.source = open.configuration["source"] = "elsewhere";
  open.configuration["software"] = "megatron-2021";
  open.configuration.erase("recompute");
  const auto recompute = [](const TrainingRow& row) {
    const RowPrediction one = predict(row);
    EXPECT_TRUE(is_priced(one.row)) << one.row.skip_reason;
    return one.facts.breakdown->recompute;
  };
  EXPECT_EQ(recompute(open), Seconds());
  open.configuration["micro_batch"] = "4";
  const Seconds some = recompute(open);
  EXPECT_GT(some, Seconds());
  open.configuration["recompute"] = "full";
  EXPECT_LT(some, recompute(open));
  open.configuration["recompute"] = "none";  // what a row says stands
  EXPECT_EQ(recompute(open), Seconds());
}

// Two thirds of the products, and no weight of the model to reduce or update.
TEST(RowPredictor, PricesAdaptersBelowEveryWeight) {
  TrainingRow row = narayanan();
  const Seconds full = *predict(row).row.predicted;
  row.configuration["task"] = "lora";
  const ValidationRow adapters = predict(row).row;
  ASSERT_TRUE(is_priced(adapters)) << adapters.skip_reason;
  EXPECT_LT(*adapters.predicted, 0.85 * full);
  EXPECT_GT(*adapters.predicted, 0.5 * full);
}

// State on the host takes time over its link and no more memory of the device.
TEST(RowPredictor, PricesWhatARowSaysIsOffloaded) {
  TrainingRow row = narayanan();
  const Seconds none = *predict(row).row.predicted;
  row.configuration["offload"] = "optimizer";
  const RowPrediction offloaded = predict(row);
  ASSERT_TRUE(is_priced(offloaded.row)) << offloaded.row.skip_reason;
  EXPECT_GT(*offloaded.row.predicted, none);
  EXPECT_GT(offloaded.facts.breakdown->offload, Seconds());
}

// Qwen3-235B over four nodes, as its notes say by DeepEP: fewer copies of a token between nodes.
// The source's FLOP count half the square of attention, as its rows with both rates show.
TEST(RowPredictor, TakesDispatchAndConventionFromTheCommittedTable) {
  TrainingRow row;
  row.id = "experts";
  row.source = "Megatron-MoE-ModelZoo Qwen3 best practice";
  row.configuration = {{"source", row.source},
                       {"model", "Qwen3 235B-A22B"},
                       {"layers", "94"},
                       {"hidden", "4096"},
                       {"heads", "64"},
                       {"kv_heads", "4"},
                       {"head_dim", "128"},
                       {"vocab", "151936"},
                       {"moe_experts", "128"},
                       {"moe_topk", "8"},
                       {"moe_ffn_hidden", "1536"},
                       {"seq_len", "4096"},
                       {"gpu", "H100"},
                       {"gpu_family", "H100"},
                       {"num_gpus", "256"},
                       {"precision", "bf16"},
                       {"tp", "2"},
                       {"pp", "8"},
                       {"vp", "4"},
                       {"ep", "32"},
                       {"micro_batch", "1"},
                       {"global_batch", "2048"},
                       {"flops_convention", "model FLOPs, Megatron formula"}};
  row.results = {{"tflops_per_gpu", "245"}};
  const RowPrediction plain = predict(row);
  ASSERT_TRUE(is_priced(plain.row)) << plain.row.skip_reason;
  EXPECT_NEAR(plain.row.published->in(unit::second), 19.7, 0.02 * 19.7);  // as it prints beside
  row.configuration["notes"] = "dispatcher DeepEP; recompute modules: norm, act";
  const RowPrediction by_node = predict(row);
  EXPECT_LT(by_node.facts.breakdown->expert_parallel, 0.7 * plain.facts.breakdown->expert_parallel);
}

// At 200 of 400 W the clock falls to the third root of a half: matrix work takes up to 1.26 times.
TEST(RowPredictor, SlowsADeviceThatIsHeldAtLessPower) {
  TrainingRow row = narayanan();
  const Seconds full = *predict(row).row.predicted;
  row.configuration["device_power"] = "200 W";
  const Seconds half = *predict(row).row.predicted;
  EXPECT_GT(half / full, 1.1);
  EXPECT_LT(half / full, std::cbrt(2.0));
  row.configuration["device_power"] = "1 kW";
  EXPECT_EQ(*predict(row).row.predicted, full);
}

std::string reason(const std::string& column, const std::string& cell) {
  TrainingRow row = narayanan();
  if (cell.empty()) {
    row.configuration.erase(column);
  } else {
    row.configuration[column] = cell;
  }
  const ValidationRow result = predict(row).row;
  EXPECT_FALSE(is_priced(result)) << column << " " << cell;
  EXPECT_FALSE(result.predicted.has_value()) << column << " " << cell;
  return result.skip_reason;
}

TEST(RowPredictor, GivesTheReasonWhereItCannotPrice) {
  EXPECT_THAT(reason("layers", ""), HasSubstr("layers"));
  EXPECT_THAT(reason("tp", "two"), HasSubstr("tp: 'two'"));
  EXPECT_THAT(reason("tp", "-8"), HasSubstr("tp"));
  EXPECT_THAT(reason("tp", "5"), HasSubstr("384"));
  EXPECT_THAT(reason("heads", "7"), HasSubstr("heads"));
  EXPECT_THAT(reason("gpu_family", "Cerebras"), HasSubstr("A100-80GB SXM"));
  EXPECT_THAT(reason("precision", "int3"), HasSubstr("int3"));
  EXPECT_THAT(reason("offload", "disk"), HasSubstr("offload: 'disk'"));
  EXPECT_THAT(reason("ep_kind", "carrier pigeon"), HasSubstr("ep_kind: 'carrier pigeon'"));
  EXPECT_THAT(reason("model", "Mamba"), HasSubstr("Mamba"));
  EXPECT_THAT(reason("task", "whole run"), HasSubstr("whole run"));
  EXPECT_THAT(reason("num_gpus", "96000000"), HasSubstr("max_devices"));
  TrainingRow row = narayanan();
  row.results.clear();
  EXPECT_THAT(predict(row).row.skip_reason, HasSubstr("no step time"));
}

TEST(ValidateTraining, CountsRunsThatRanOutOfMemory) {
  TrainingRow row = narayanan();
  row.results.clear();
  row.configuration["task"] = "pretrain (OOM)";
  row.configuration["tp"] = row.configuration["pp"] = "1";
  row.configuration["dp"] = "384";
  row.configuration["micro_batch"] = "4";
  // 175B parameters on one device: 350 GB of weights alone do not fit in 80.
  const auto document = to_json(validate_training({row, narayanan()}, {}));
  EXPECT_EQ(document["memory"]["ran_out"], 1);
  EXPECT_EQ(document["memory"]["false_feasible"], 0);
  EXPECT_EQ(document["memory"]["fitted"], 1);
}

TEST(TrainingTable, NamesTheOptionOfATableOfAnotherKind) {
  for (const auto& [column, option] : {std::pair("kernel", "expected --kernels"),
                                       std::pair("collective", "expected --collectives"),
                                       std::pair("phase", "expected --inference")}) {
    const WrittenFile file("t.csv", std::string("id,source,") + column + "\na,b,c\n");
    try {
      static_cast<void>(read_training_table(file.path()));
      ADD_FAILURE() << column;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("t.csv:1")) << column;
      EXPECT_THAT(error.what(), HasSubstr(option));
    }
  }
}

TEST(ValidateTraining, WritesTheDocumentOfTheContract) {
  TrainingRow unknown = narayanan();
  unknown.configuration["gpu_family"] = "abacus";
  const auto document = to_json(validate_training({narayanan(), unknown}, {}));
  EXPECT_EQ(document["total"], 2);
  EXPECT_EQ(document["priced"], 1);
  for (const char* key :
       {"mape", "bias", "p90", "max", "spearman", "coverage", "groups", "baselines", "unpriced"}) {
    EXPECT_TRUE(document.contains(key)) << key;
  }
  const auto& row = document["rows"][0];
  for (const char* key : {"id",
                          "published_s",
                          "predicted_s",
                          "error",
                          "band_s",
                          "priced",
                          "skip_reason",
                          "assumed"}) {
    EXPECT_TRUE(row.contains(key)) << key;
  }
  EXPECT_TRUE(document["rows"][1]["predicted_s"].is_null());
  EXPECT_EQ(document["rows"][1]["priced"], false);
  std::ostringstream table;
  print_training(document, Detail::baselines_and_reasons, table);
  EXPECT_THAT(table.str(), HasSubstr("set: Narayanan tp/pp/dp"));
  EXPECT_THAT(table.str(), HasSubstr("abacus"));
}

TEST(ValidateTraining, ChangesNothingBesideTheHostCostsItIsGiven) {
  const HostCosts slow{{"megatron-2021", {1.0 * unit::second}}};
  const auto predictions = validate_training({narayanan()}, slow);
  const ValidationRow& row = predictions[0].row;
  ASSERT_TRUE(row.predicted && row.predicted_without_host);
  EXPECT_EQ(*row.predicted_without_host, *predict(narayanan()).row.predicted);
  EXPECT_GT(*row.predicted, *row.predicted_without_host);
  EXPECT_EQ(to_json(predictions)["rows"][0]["host_label"], "calibrated");
}

const std::string published_table =
    std::string(FORERUN_REFERENCE_DATA) + "/published/training_runs.csv";

TEST(ValidateTraining, SurvivesCellsOfAnyKind) {
  if (!std::filesystem::exists(published_table)) {
    GTEST_SKIP() << "no reference data";
  }
  auto rows = read_training_table(published_table);
  const std::vector<std::string> odd{"",
                                     "0",
                                     "-1",
                                     "1e308",
                                     "nan",
                                     "NaN",
                                     "inf",
                                     "3.5",
                                     "\"",
                                     "true",
                                     "99999999999999999999",
                                     "7",
                                     "1"};
  std::mt19937 random(11);
  std::vector<TrainingRow> broken;
  for (std::size_t i = 0; i < rows.size(); i += 6) {
    TrainingRow row = rows[i];
    for (int cell = 0; cell < 3; ++cell) {
      for (Cells* cells : {&row.configuration, &row.results}) {
        auto at = cells->begin();
        std::advance(at, cells->empty() ? 0 : static_cast<long>(random() % cells->size()));
        if (at != cells->end()) {
          at->second = odd[random() % odd.size()];
        }
      }
    }
    broken.push_back(std::move(row));
  }
  const auto predictions = validate_training(broken, {});
  ASSERT_EQ(predictions.size(), broken.size());
  for (const RowPrediction& prediction : predictions) {
    EXPECT_TRUE(is_priced(prediction.row) || !prediction.row.skip_reason.empty())
        << prediction.row.id;
  }
}

// What issue and README promise to price: shares of rows, not their errors.
TEST(ValidateTraining, PricesThePublishedSets) {
  if (!std::filesystem::exists(published_table)) {
    GTEST_SKIP() << "no reference data";
  }
  const auto document = to_json(validate_training(read_training_table(published_table)));
  const std::map<std::string, double> least{{"vTrain multi-node", 1.0},
                                            {"vTrain single-node", 1.0},
                                            {"Korthikanti", 1.0},
                                            {"Narayanan tp/pp/dp", 1.0},
                                            {"Narayanan ZeRO-3", 1.0},
                                            {"FSDP", 0.95},
                                            {"dense BF16 on H100", 0.85},
                                            {"BigScience", 0.85},
                                            {"DeepSpeed on Azure", 0.85}};
  std::size_t found = 0;
  for (const auto& group : document["groups"]) {
    const auto set = least.find(group["name"].get<std::string>().substr(5));
    if (set != least.end()) {
      ++found;
      EXPECT_GE(group["priced"].get<double>(), set->second * group["total"].get<double>())
          << set->first;
    }
  }
  EXPECT_EQ(found, least.size());
}

}  // namespace
}  // namespace forerun
