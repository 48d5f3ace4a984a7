// From tokens a second to copies, people, money: by hand; and what is answered when nothing fits.
#include "estimator/capacity/capacity.hpp"

#include <cmath>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/capacity/capacity_json.hpp"
#include "estimator/profile/price_book.hpp"
#include "jobs/read_model.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Capacity on_h100(CapacityRequest request) {
  const Cluster cluster = read_cluster("dgx-h100");
  return serve(request, cluster, prices_from(cluster, Strictness::any_tier));
}

CapacityRequest eight_billion(std::int64_t devices) {
  CapacityRequest request;
  request.model = read_model("llama-3-8b");
  request.devices = devices;
  return request;
}

// design.md: tokens/s over 380 words/min x 4/3 / 60 = 8.444 tokens/s.
TEST(Capacity, CountsPeopleByTokens) {
  const Capacity capacity = on_h100(eight_billion(8));
  EXPECT_NEAR(Person().tokens_per_s(), 8.4444, 1e-4);
  EXPECT_NEAR(capacity.human_equivalents, capacity.tokens_per_s * 60.0 / (380.0 * 4.0 / 3.0), 1e-9);
  EXPECT_EQ(capacity.copies,
            static_cast<double>(capacity.decode.replicas * capacity.decode.point.batch));
}

// The file states 2 USD a device-hour: 8 devices, 16 USD an hour. 700 W x 1.821 x 1.1 a device.
TEST(Capacity, CountsMoneyAndPower) {
  const Capacity capacity = on_h100(eight_billion(8));
  EXPECT_NEAR(*capacity.usd_per_million_tokens * capacity.tokens_per_s * 3600.0 / 1e6, 16.0, 1e-9);
  EXPECT_NEAR(*capacity.watts_per_copy * capacity.copies, 8.0 * 700.0 * 1.821 * 1.1, 1e-6);
}

// forecasting.md W1 by the same formula: 1e6 devices at a utilisation of 0.1, 2 N a token. Here 8
// devices of 989 TFLOP/s at 0.375.
TEST(Capacity, CountsByFlopBesideDecoding) {
  const Capacity capacity = on_h100(eight_billion(8));
  const double tokens_per_s = 8.0 * 989e12 * 0.375 / (2.0 * 8'030'261'248.0);
  EXPECT_NEAR(capacity.by_flop.tokens_per_s / tokens_per_s, 1.0, 1e-12);
  EXPECT_NEAR(capacity.by_flop.ratio, 0.375 / capacity.by_flop.utilisation, 1e-9);
}

TEST(Capacity, MeetsItsLimits) {
  CapacityRequest request = eight_billion(8);
  request.workload.tpot = 10.0 * unit::millisecond;
  request.workload.ttft = 100.0 * unit::millisecond;
  const Capacity limited = on_h100(request);
  EXPECT_FALSE(limited.infeasible_because.has_value());
  EXPECT_LE(limited.decode.point.tpot, 10.0 * unit::millisecond);
  EXPECT_LE(limited.ttft, 100.0 * unit::millisecond);
  EXPECT_LE(limited.tokens_per_s, on_h100(eight_billion(8)).tokens_per_s);
}

TEST(Capacity, OfAllDevicesIsThatOfTheReplicas) {
  const Capacity one = on_h100(eight_billion(8));
  const Capacity many = on_h100(eight_billion(64));
  EXPECT_GE(many.tokens_per_s, 8.0 * one.tokens_per_s * (1.0 - 1e-12));
}

TEST(Capacity, NamesTheNearestChoiceWhereNothingFits) {
  CapacityRequest request = eight_billion(4);
  request.model = read_model("llama-3.1-405b");
  const Capacity capacity = on_h100(request);
  ASSERT_TRUE(capacity.infeasible_because.has_value());
  EXPECT_THAT(*capacity.infeasible_because, testing::HasSubstr("tp=4"));
  EXPECT_THAT(*capacity.infeasible_because, testing::HasSubstr("GiB"));
}

TEST(Capacity, NamesTheNearestChoiceWhereNothingIsFastEnough) {
  CapacityRequest request = eight_billion(1);
  request.workload.tpot = 1.0 * unit::microsecond;
  const Capacity capacity = on_h100(request);
  ASSERT_TRUE(capacity.infeasible_because.has_value());
  EXPECT_THAT(*capacity.infeasible_because, testing::HasSubstr("tpot"));
}

// Two pools serve no more than their slower one, and together as many devices as there are.
TEST(Capacity, OfTwoPoolsIsThatOfTheSlowerOne) {
  CapacityRequest request = eight_billion(16);
  request.serving = Serving::disaggregated;
  const Capacity capacity = on_h100(request);
  ASSERT_TRUE(capacity.prefill.has_value());
  const Pool& prefill = *capacity.prefill;
  const double prefill_rate = static_cast<double>(prefill.replicas) * prefill.point.tokens_per_s;
  const double decode_rate =
      static_cast<double>(capacity.decode.replicas) * capacity.decode.point.tokens_per_s;
  EXPECT_DOUBLE_EQ(capacity.tokens_per_s, std::min(prefill_rate, decode_rate));
  EXPECT_LE(prefill.replicas * devices_of(prefill.point.layout) +
                capacity.decode.replicas * devices_of(capacity.decode.point.layout),
            16);
}

// The front is of both pools: the chosen point lies on it with its own rate and first token.
TEST(Capacity, OfTwoPoolsHasAFrontOfBoth) {
  CapacityRequest request = eight_billion(8);
  request.serving = Serving::disaggregated;
  request.workload.ttft = 1.0 * unit::second;
  request.workload.tpot = 20.0 * unit::millisecond;
  const Capacity capacity = on_h100(request);
  ASSERT_FALSE(capacity.infeasible_because.has_value());
  bool has_chosen = false;
  for (const ServingPoint& point : capacity.pareto) {
    EXPECT_GT(point.ttft, Seconds());
    if (point.layout == capacity.decode.point.layout &&
        point.batch == capacity.decode.point.batch) {
      has_chosen = true;
      EXPECT_NEAR(point.tokens_per_s_per_device(), capacity.tokens_per_s / 8.0, 1e-6);
      EXPECT_EQ(point.ttft, capacity.ttft);
    }
  }
  EXPECT_TRUE(has_chosen);
}

// More time for the first token never serves less, what keeps the limit is found, and the front has
// nothing that breaks it.
TEST(Capacity, OfTwoPoolsGrowsWithTheLimitOfTheFirstToken) {
  CapacityRequest request = eight_billion(16);
  request.serving = Serving::disaggregated;
  request.workload.tpot = 20.0 * unit::millisecond;
  double before = 0.0;
  for (const double limit : {0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0}) {
    request.workload.ttft = limit * unit::second;
    const Capacity capacity = on_h100(request);
    if (capacity.infeasible_because) {
      EXPECT_EQ(before, 0.0) << limit;
      continue;
    }
    EXPECT_LE(capacity.ttft.in(unit::second), limit);
    EXPECT_GE(capacity.tokens_per_s, before) << limit;
    before = capacity.tokens_per_s;
    for (const ServingPoint& point : capacity.pareto) {
      EXPECT_LE(point.ttft, *request.workload.ttft);
    }
  }
  EXPECT_GT(before, 0.0);
}

// A prefill pool of fewer devices where the fastest would take all of them.
TEST(Capacity, OfTwoPoolsLeavesRoomForBoth) {
  CapacityRequest request = eight_billion(8);
  request.serving = Serving::disaggregated;
  request.workload.ttft = 30.0 * unit::millisecond;
  const Capacity capacity = on_h100(request);
  ASSERT_TRUE(capacity.prefill.has_value());
  EXPECT_GT(capacity.prefill->replicas, 0);
  EXPECT_GT(capacity.decode.replicas, 0);
}

// A batch that no memory holds is what is wrong, not the devices.
TEST(Capacity, SaysThatABatchIsTooLarge) {
  CapacityRequest request = eight_billion(8);
  request.batch = 1'000'000;
  try {
    (void)on_h100(request);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("--batch"));
  }
}

// A draft serves in two pools as in one.
TEST(Capacity, OfTwoPoolsTakesADraft) {
  CapacityRequest request = eight_billion(16);
  request.serving = Serving::disaggregated;
  request.speculation = Speculation{read_model("llama-3-8b"), 2, 0.5};
  const Capacity capacity = on_h100(request);
  EXPECT_FALSE(capacity.infeasible_because.has_value());
  EXPECT_GT(capacity.decode.point.time.parts[static_cast<std::size_t>(ServingPart::draft)],
            Seconds());
}

// forecasting.md C.1: tokens a minute of Pythia on one A100 in fp16, as Hugging Face generates
// them. Launches make the small ones slow; nothing here says why the 6.9B and 12B reach half of
// what their weights allow.
TEST(Capacity, OfEagerPythiaIsNearTheCountingRace) {
  const Cluster cluster = read_cluster("dgx-a100");
  const PriceList prices = prices_from(cluster, Strictness::any_tier);
  for (const auto& [model, measured] :
       {std::pair{"pythia-1.4b", 7040.0}, std::pair{"pythia-2.8b", 4568.0}}) {
    ServedModel served{
        read_model(model), {ServingPrecision::fp16, ServingPrecision::fp16}, {1, 1, 1}, 8};
    const auto ratio = [&, measured = measured] {
      Workload counting;
      counting.input_tokens = 1;
      counting.output_tokens = 2000;
      const Seconds token = decode_point(served, counting, 1, prices).tpot;
      return unit::minute / token / measured;
    };
    EXPECT_GT(ratio(), 2.5) << model;  // replayed graphs would be that much faster
    served.software = *serving_software_from("pytorch-eager");
    EXPECT_NEAR(std::log(ratio()), 0.0, std::log(1.5)) << model;
  }
}

// A device that states no 4-bit peak does not serve nvfp4, as it does not train it.
TEST(Capacity, RefusesNvfp4WhereTheDeviceHasNone) {
  CapacityRequest request = eight_billion(8);
  request.format = {ServingPrecision::nvfp4, ServingPrecision::fp8};
  EXPECT_THROW((void)on_h100(request), InputError);
}

// The band holds the number, as a factor to either side, and is as wide as prices and published
// rates ask for.
TEST(CapacityJson, HasABandAroundItsNumbers) {
  const auto json = to_json(on_h100(eight_billion(8)), read_cluster("dgx-h100"));
  const auto& band = json["error_band"];
  const double factor = 1.0 + band["half_width"].get<double>();
  EXPECT_GT(factor, 1.0 + json["price_error"].get<double>());
  for (const char* key : {"tpot_s", "ttft_s", "tokens_per_s", "human_equivalents"}) {
    const double centre = json[key].get<double>();
    EXPECT_NEAR(band[key][0].get<double>() * factor, centre, 1e-9 * centre) << key;
    EXPECT_NEAR(band[key][1].get<double>(), centre * factor, 1e-9 * centre) << key;
  }
}

TEST(Capacity, RefusesALayoutThatCannotSplitTheModel) {
  CapacityRequest request = eight_billion(3);
  request.layouts = {{3, 1, 1}};
  EXPECT_THROW((void)on_h100(request), InputError);
}

// 4.383 job-years of 2,000 hours in a year; parts beside totals.
TEST(CapacityJson, HasTheContractsKeys) {
  const Cluster cluster = read_cluster("dgx-h100");
  const auto json = to_json(on_h100(eight_billion(8)), cluster);
  for (const char* key : {"tokens_per_s_per_device",
                          "tokens_per_s",
                          "ttft_s",
                          "tpot_s",
                          "replicas",
                          "copies",
                          "human_equivalents",
                          "work_years_per_year",
                          "work_years_per_year_2000h",
                          "pareto"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_NEAR(json["work_years_per_year_2000h"].get<double>(),
              4.383 * json["work_years_per_year"].get<double>(),
              1e-6);
  double sum = 0.0;
  for (const auto& [part, value] : json["breakdown_s"].items()) {
    sum += value.get<double>();
  }
  EXPECT_NEAR(sum, json["tpot_s"].get<double>(), 1e-12);
  EXPECT_NEAR(json["tokens_per_s_per_device"].get<double>() * 8.0,
              json["tokens_per_s"].get<double>(),
              1e-6);
}

// llm-racing's Pythia models on one A100 (forecasting.md C.1), words per minute through a framework
// that waits for its host: none is faster than what the machine's kernels allow.
TEST(Capacity, OfPythiaIsAboveWhatWasMeasuredThroughAFramework) {
  const Cluster cluster = read_cluster("dgx-a100");
  const PriceList prices = prices_from(cluster, Strictness::any_tier);
  const std::pair<const char*, double> measured[] = {{"pythia-12b", 1801.0},
                                                     {"pythia-6.9b", 2659.0},
                                                     {"pythia-2.8b", 4568.0},
                                                     {"pythia-1.4b", 7040.0}};
  for (const auto& [name, tokens_per_minute] : measured) {
    const ServedModel served{
        read_model(name), {ServingPrecision::fp16, ServingPrecision::fp16}, {1, 1, 1}, 8};
    Workload workload;
    workload.input_tokens = 10;
    workload.output_tokens = 2000;  // counting up to 1,900
    const ServingPoint point = decode_point(served, workload, 1, prices);
    EXPECT_GT(60.0 / point.tpot.in(unit::second), tokens_per_minute) << name;
    EXPECT_LT(60.0 / point.tpot.in(unit::second), 4.0 * tokens_per_minute) << name;
  }
}

}  // namespace
}  // namespace forerun
