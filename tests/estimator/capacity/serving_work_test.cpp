// The kernels of a served layer: counts by hand, golden numbers, conservation over ranks.
#include "estimator/capacity/serving_work.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// modelling.md 8.2, E = 256, k = 8.
TEST(TouchedExperts, OfDeepSeekV3) {
  const std::pair<double, long> golden[] = {
      {1, 8}, {8, 57}, {32, 163}, {64, 222}, {128, 252}, {256, 256}};
  for (const auto& [tokens, experts] : golden) {
    EXPECT_EQ(std::lround(touched_experts(256, 8, tokens)), experts) << tokens;
  }
}

Flops product_flops(const ServedModel& served, const PassShape& pass) {
  Flops sum;
  for (std::int64_t layer = 0; layer < served.model.layers; ++layer) {
    for (const ServingOp& op : layer_ops(served, pass, layer)) {
      if (const auto* product = std::get_if<WeightProduct>(&op.work)) {
        sum += op.count * hardware_flops(product->key);
      }
    }
  }
  return sum;
}

// One token multiplies every weight of every layer once: 2 FLOP for each, 6,476,005,376 weights.
TEST(LayerOps, MultiplyEveryWeightOnce) {
  const ServedModel served{read_model("llama-2-7b"), {}, {1, 1, 1}, 8};
  const Flops flops = product_flops(served, {1, 100.0, 0.0, 1});
  EXPECT_DOUBLE_EQ(flops.in(unit::flop), 2.0 * 6'476'005'376.0);
}

// The same from the model's own count, for other kinds of layers: active parameters without
// embedding, head, norms, router, biases.
TEST(LayerOps, MultiplyTheActiveWeightsOfEveryFamily) {
  for (const char* name : {"gpt3-175b",
                           "falcon-180b",
                           "mixtral-8x7b",
                           "deepseek-v3",
                           "jamba-v0.1",
                           "gemma-2-9b",
                           "qwen3-next-80b-a3b"}) {
    const ModelShape model = read_model(name);
    const ServedModel served{model, {}, {1, 1, 1}, 8};
    const ParameterCount count = count_parameters(model);
    const double matrices =
        static_cast<double>(count.active - count.embedding - count.positions - count.head);
    const double flops = product_flops(served, {1, 1.0, 0.0, 1}).in(unit::flop);
    EXPECT_NEAR(flops / (2.0 * matrices), 1.0, 0.02) << name;
  }
}

// A tensor group does the work of one rank together.
TEST(LayerOps, AreSplitOverTensorRanks) {
  const ModelShape model = read_model("llama-2-70b");
  const PassShape pass{16, 1000.0, 0.0, 1};
  const Flops one = product_flops({model, {}, {1, 1, 1}, 8}, pass);
  const Flops eight = product_flops({model, {}, {8, 1, 1}, 8}, pass);
  EXPECT_DOUBLE_EQ(one / eight, 8.0);
}

double cache_read(const std::string& model, double context) {
  const ServedModel served{read_model(model), {}, {1, 1, 1}, 8};
  const PassShape pass{1, context, 0.0, 1};
  double bytes = 0.0;
  for (std::int64_t layer = 0; layer < served.model.layers; ++layer) {
    for (const ServingOp& op : layer_ops(served, pass, layer)) {
      if (const auto* read = std::get_if<CacheRead>(&op.work)) {
        bytes += minimum_traffic(read->key).in(unit::byte);
      }
    }
  }
  return bytes;
}

// Bytes a token of context adds: forecasting.md H9, H10; DeepSeek-V3 61 x 576 x 2.
TEST(LayerOps, ReadTheCacheOnce) {
  EXPECT_DOUBLE_EQ(cache_read("llama-2-7b", 2000.0) - cache_read("llama-2-7b", 1000.0),
                   524'288.0 * 1000.0);
  EXPECT_DOUBLE_EQ(cache_read("llama-3-8b", 2000.0) - cache_read("llama-3-8b", 1000.0),
                   131'072.0 * 1000.0);
  EXPECT_DOUBLE_EQ(cache_read("deepseek-v3", 2000.0) - cache_read("deepseek-v3", 1000.0),
                   70'272.0 * 1000.0);
}

TEST(LayerOps, SeeTheWindowOnly) {
  EXPECT_DOUBLE_EQ(cache_read("mistral-7b-v0.1", 8192.0), cache_read("mistral-7b-v0.1", 4096.0));
}

// modelling.md 8.2: latent attention computes 2 a x (2 r_kv + e_r) FLOP a layer and token, with
// a = 128 about 242 FLOP for each byte of the cache.
TEST(LayerOps, OfLatentAttentionComputeMuchForEachByte) {
  const ServedModel served{read_model("deepseek-v3"), {}, {1, 1, 1}, 8};
  for (const ServingOp& op : layer_ops(served, {1, 1000.0, 0.0, 1}, 10)) {
    if (const auto* read = std::get_if<CacheRead>(&op.work)) {
      EXPECT_DOUBLE_EQ(read->flop.in(unit::flop), 2.0 * 128.0 * 1000.0 * (2.0 * 512.0 + 64.0));
      EXPECT_NEAR(read->flop.in(unit::flop) / (1000.0 * 576.0 * 2.0), 242.0, 0.5);
      // The key itself computes as much, and reads the latent once for keys and values.
      EXPECT_DOUBLE_EQ(hardware_flops(read->key).in(unit::flop), read->flop.in(unit::flop));
      const double queries_and_outputs = 128.0 * (576.0 + 512.0);
      EXPECT_DOUBLE_EQ(minimum_traffic(read->key).in(unit::byte),
                       2.0 * (1000.0 * 576.0 + queries_and_outputs));
    }
  }
}

// Two all-reduces a layer of rows x hidden in 16 bits (modelling.md 8.2).
TEST(LayerOps, ReduceTwiceALayer) {
  const ServedModel served{read_model("llama-2-70b"), {}, {8, 1, 1}, 8};
  std::int64_t reductions = 0;
  for (const ServingOp& op : layer_ops(served, {16, 1000.0, 0.0, 1}, 0)) {
    if (const auto* key = std::get_if<CollectiveKey>(&op.work)) {
      EXPECT_EQ(key->op, Collective::all_reduce);
      EXPECT_EQ(key->bytes, 16 * 8192 * 2);
      EXPECT_EQ(key->group.ranks, 8);
      ++reductions;
    }
  }
  EXPECT_EQ(reductions, 2);
}

// Data-parallel attention sends every token to its experts and back.
TEST(LayerOps, ExchangeTokensWithExpertsElsewhere) {
  const ServedModel served{read_model("mixtral-8x7b"), {}, {1, 1, 8}, 8};
  std::int64_t exchanges = 0;
  for (const ServingOp& op : layer_ops(served, {16, 1000.0, 0.0, 1}, 0)) {
    if (const auto* key = std::get_if<CollectiveKey>(&op.work)) {
      EXPECT_EQ(key->op, Collective::all_to_all);
      EXPECT_EQ(key->bytes, 16 * 2 * 4096 * 2);  // two experts a token
      ++exchanges;
    }
  }
  EXPECT_EQ(exchanges, 2);
}

// The prefill of one prompt is the forward pass of training: Llama-2 7B at 4,096 tokens,
// 2 x 6,476,005,376 x 4096 and 2 s^2 H 32 layers of causal attention (half of row H2's quadratic
// part), 2 FLOP a multiply-add.
TEST(LayerOps, OfAPromptAreAForwardPass) {
  const ServedModel served{read_model("llama-2-7b"), {}, {1, 1, 1}, 8};
  const PassShape pass{0, 0.0, 1.0, 4096};
  EXPECT_DOUBLE_EQ(product_flops(served, pass).in(unit::flop), 2.0 * 6'476'005'376.0 * 4096.0);
  double attention = 0.0;
  for (const ServingOp& op : layer_ops(served, pass, 0)) {
    if (op.part == ServingPart::prefill) {
      attention += op.count * hardware_flops(std::get<KernelKey>(op.work)).in(unit::flop);
    }
  }
  EXPECT_DOUBLE_EQ(attention, 2.0 * 4096.0 * 4096.0 * 4096.0);
}

}  // namespace
}  // namespace forerun
