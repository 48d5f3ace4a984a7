// Prices from the catalog's device profiles: published times, ratios that must hold, and laws.
#include "estimator/profile/catalog_prices.hpp"

#include <cmath>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "estimator/profile/price_book.hpp"
#include "kernels/kernel_cost.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

CatalogPrices prices_of(const char* cluster) {
  const DeviceSpec device = read_cluster(cluster).device;
  return {device, read_device_profile(*device.profile)};
}

KernelKey gemm(DataType type,
               std::int64_t m,
               std::int64_t n,
               std::int64_t k,
               GemmLayout layout = GemmLayout::nt,
               GemmOutput output = GemmOutput::store) {
  return {KernelOp::gemm, type, GemmShape{m, n, k, layout, output}};
}

KernelKey attention(KernelOp op, std::int64_t length, std::int64_t heads, std::int64_t head_size) {
  return {op, DataType::bf16, AttentionKeyShape{1, length, heads, heads, head_size, Mask::causal}};
}

double microseconds(const CatalogPrices& prices, const KernelKey& key) {
  return prices.price(key).value().time.in(unit::microsecond);
}

double teraflops(const CatalogPrices& prices, const KernelKey& key) {
  return hardware_flops(key).in(unit::teraflop) / (1e-6 * microseconds(prices, key));
}

// aiconfigurator, H100, bf16: 702.4 TFLOP/s at 16384 cubed, 755.6 at 4096 x 16384 x 16384 and 817
// at 4096 x 8192 x 8192. The profile's own source, Vidur, is the slower one: 12 % on average over
// aiconfigurator's rows, never by more than 15 % on these.
TEST(CatalogPrices, StayBelowTheFasterSourceOfH100) {
  const CatalogPrices prices = prices_of("dgx-h100");
  const auto share = [&](std::int64_t m, std::int64_t n, std::int64_t k, double published) {
    return teraflops(prices, gemm(DataType::bf16, m, n, k)) / published;
  };
  for (const double each : {share(16384, 16384, 16384, 702.4),
                            share(4096, 16384, 16384, 755.6),
                            share(4096, 8192, 8192, 817.0)}) {
    EXPECT_GT(each, 0.85);
    EXPECT_LT(each, 1.05);
  }
}

// Vidur, A100: attn_post_proj and mlp_down_proj of Llama-3 70B, 4096 tokens, 2.0 to 2.4 and 8.1 ms.
TEST(CatalogPrices, ReachThePublishedTimesOfA100) {
  const CatalogPrices prices = prices_of("dgx-a100");
  const double rate = teraflops(prices, gemm(DataType::fp16, 4096, 8192, 28672));
  EXPECT_GT(rate, 210.0);
  EXPECT_LT(rate, 270.0);
  // TransformerEngine on A100: 174.49 TFLOP/s, causal, 4096 long, 32 heads of 128 (SimuMax).
  EXPECT_NEAR(
      teraflops(prices, attention(KernelOp::attention_forward, 4096, 32, 128)), 174.5, 10.0);
}

// cuDNN on H100: 539 TFLOP/s at length 16384, 315 at 512 (chart of flash-attention).
TEST(CatalogPrices, SlowDownOnShortSequences) {
  const CatalogPrices prices = prices_of("dgx-h100");
  EXPECT_NEAR(
      teraflops(prices, attention(KernelOp::attention_forward, 16384, 16, 128)), 539.0, 40.0);
  const KernelKey shorter{KernelOp::attention_forward,
                          DataType::bf16,
                          AttentionKeyShape{32, 512, 16, 16, 128, Mask::causal}};
  EXPECT_NEAR(teraflops(prices, shorter), 315.0, 25.0);
  // FlashAttention-3 inside a training step: 447 TFLOP/s, both passes, length 8192, 32 heads.
  const double both = microseconds(prices, attention(KernelOp::attention_forward, 8192, 32, 128)) +
                      microseconds(prices, attention(KernelOp::attention_backward, 8192, 32, 128));
  const Flops forward = hardware_flops(attention(KernelOp::attention_forward, 8192, 32, 128));
  EXPECT_NEAR(3.5 * forward.in(unit::teraflop) / (1e-6 * both), 447.0, 15.0);
}

TEST(CatalogPrices, TreatFormatsOfOneWidthAlike) {
  const CatalogPrices prices = prices_of("dgx-h100");
  EXPECT_EQ(microseconds(prices, gemm(DataType::fp16, 4096, 4096, 4096)),
            microseconds(prices, gemm(DataType::bf16, 4096, 4096, 4096)));
  EXPECT_EQ(microseconds(prices, gemm(DataType::fp8_e5m2, 4096, 4096, 4096)),
            microseconds(prices, gemm(DataType::fp8_e4m3, 4096, 4096, 4096)));
  EXPECT_LT(microseconds(prices, gemm(DataType::fp8_e4m3, 8192, 8192, 8192)),
            microseconds(prices, gemm(DataType::bf16, 8192, 8192, 8192)));
}

// The published fp8 time includes the quantisation of the rows: both together come to it.
// aiconfigurator, H100: 1,379.6 TFLOP/s is its best fp8 product.
TEST(CatalogPrices, TakeQuantisationOffFp8Products) {
  const CatalogPrices prices = prices_of("dgx-h100");
  const KernelKey key = gemm(DataType::fp8_e4m3, 8192, 8192, 8192);
  EXPECT_GT(prices.quantise_time(key), Seconds());
  EXPECT_EQ(prices.quantise_time(gemm(DataType::bf16, 8192, 8192, 8192)), Seconds());
  const Seconds both = prices.price(key).value().time + prices.quantise_time(key);
  EXPECT_LT((hardware_flops(key) / both).in(unit::teraflop / unit::second), 1379.7);
}

TEST(CatalogPrices, ChargeGradientsAtLeastAsMuchAsForward) {
  const CatalogPrices prices = prices_of("dgx-b200");
  const double forward = microseconds(prices, gemm(DataType::bf16, 4096, 8192, 8192));
  const auto as = [&](GemmLayout layout, GemmOutput output) {
    return microseconds(prices, gemm(DataType::bf16, 4096, 8192, 8192, layout, output)) / forward;
  };
  EXPECT_GE(as(GemmLayout::nn, GemmOutput::store), 1.0);
  EXPECT_GT(as(GemmLayout::tn, GemmOutput::accumulate_fp32), as(GemmLayout::tn, GemmOutput::store));
  EXPECT_LT(as(GemmLayout::tn, GemmOutput::accumulate_fp32), 1.2);
  EXPECT_GT(prices.price(gemm(DataType::bf16, 4096, 8192, 8192, GemmLayout::tn))->relative_error,
            prices.price(gemm(DataType::bf16, 4096, 8192, 8192))->relative_error);
}

// The sums' own bytes: 0.7 times 8 bytes an element at 8 TB/s, whatever the operands' format and
// however many rows are summed; never less than storing.
TEST(CatalogPrices, ChargeSumsInFp32ByTheirBytes) {
  const CatalogPrices prices = prices_of("dgx-b200");
  const double sums_us = 0.7 * 8.0 * 8192 * 8192 / 8e12 * 1e6;
  const auto time = [&](DataType type, std::int64_t rows, GemmLayout layout, GemmOutput output) {
    return microseconds(prices, gemm(type, 8192, 8192, rows, layout, output));
  };
  for (const DataType type : {DataType::bf16, DataType::fp8_e4m3}) {
    for (const std::int64_t rows : {512, 1024, 2048}) {
      EXPECT_NEAR(time(type, rows, GemmLayout::tn, GemmOutput::accumulate_fp32) -
                      time(type, rows, GemmLayout::nt, GemmOutput::store),
                  sums_us,
                  1e-6);
    }
    for (const std::int64_t rows : {512, 8192, 131072}) {
      EXPECT_GE(time(type, rows, GemmLayout::tn, GemmOutput::accumulate_fp32),
                time(type, rows, GemmLayout::tn, GemmOutput::store));
    }
  }
}

// Where only the ratio of 16-bit products is known, the sums of 8-bit ones take as long.
TEST(CatalogPrices, ChargeSumsOf8BitProductsAsOf16BitOnes) {
  const CatalogPrices prices = prices_of("dgx-h100");
  const auto extra = [&](DataType type) {
    return microseconds(prices,
                        gemm(type, 8192, 8192, 4096, GemmLayout::tn, GemmOutput::accumulate_fp32)) -
           microseconds(prices, gemm(type, 8192, 8192, 4096));
  };
  EXPECT_GT(extra(DataType::bf16), 0.0);
  EXPECT_NEAR(extra(DataType::fp8_e4m3) / extra(DataType::bf16), 1.0, 1e-9);
}

// TransformerEngine's general_grouped_gemm on a B200, weight gradients added to fp32 sums, as
// MooreThreads/SimuMax printed them (b200_bf16_ceperm.json): rows an expert, n, k, experts,
// TFLOP/s.
TEST(CatalogPrices, MeetPublishedWeightGradientsOfExperts) {
  struct Published {
    std::int64_t rows, n, k, experts;
    double teraflops;
  };

  const CatalogPrices prices = prices_of("dgx-b200");
  for (const Published& one : {Published{154, 3072, 5120, 160, 210.72},
                               Published{128, 4096, 7168, 256, 174.36},
                               Published{512, 7168, 2048, 64, 482.63},
                               Published{1024, 4096, 7168, 32, 649.82},
                               Published{1232, 5120, 1536, 20, 719.5},
                               Published{9832, 3072, 5120, 40, 941.81}}) {
    const KernelKey key{KernelOp::grouped_gemm,
                        DataType::bf16,
                        GroupedGemmShape{one.experts,
                                         one.experts * one.rows,
                                         one.rows,
                                         one.n,
                                         one.k,
                                         GemmLayout::tn,
                                         GemmOutput::accumulate_fp32}};
    EXPECT_NEAR(teraflops(prices, key) / one.teraflops, 1.0, 0.12) << one.rows;
  }
}

// cuDNN as NVIDIA/cudnn-frontend's benchmark timed it, causal, milliseconds forward and backward.
TEST(CatalogPrices, MeetPublishedAttentionOfTraining) {
  struct Published {
    const char* cluster;
    std::int64_t length, heads, kv_heads, head_size, value_size;
    double forward_ms, backward_ms;
  };

  for (const Published& one : {Published{"dgx-h200", 8192, 64, 8, 128, 0, 1.708, 5.083},
                               Published{"dgx-h200", 4096, 128, 128, 192, 128, 1.148, 4.424},
                               Published{"dgx-b200", 32768, 128, 8, 128, 0, 24.795, 79.338},
                               Published{"dgx-b200", 131072, 128, 8, 128, 0, 415.333, 1343.117},
                               Published{"gb200-nvl72", 4096, 64, 8, 128, 0, 0.206, 0.607},
                               Published{"gb300-nvl72", 16384, 64, 8, 128, 0, 2.235, 7.380}}) {
    const CatalogPrices prices = prices_of(one.cluster);
    const auto milliseconds = [&](KernelOp op) {
      const AttentionKeyShape shape{.batch = 1,
                                    .length = one.length,
                                    .heads = one.heads,
                                    .kv_heads = one.kv_heads,
                                    .head_size = one.head_size,
                                    .mask = Mask::causal,
                                    .value_size = one.value_size};
      return 1e-3 * microseconds(prices, {op, DataType::bf16, shape});
    };
    const double bound = std::string(one.cluster) == "dgx-b200" ? 0.15 : 0.06;
    EXPECT_NEAR(milliseconds(KernelOp::attention_forward) / one.forward_ms, 1.0, bound)
        << one.cluster << one.length;
    EXPECT_NEAR(milliseconds(KernelOp::attention_backward) / one.backward_ms, 1.0, bound)
        << one.cluster << one.length;
  }
}

TEST(CatalogPrices, ScaleWithTheDevicesOwnMemory) {
  // 2039 to 1555 GB/s, and one launch that does not scale.
  const KernelKey add{KernelOp::add, DataType::bf16, RowsShape{65536, 8192}};
  const double ratio =
      microseconds(prices_of("dgx-a100-40gb"), add) / microseconds(prices_of("dgx-a100"), add);
  EXPECT_NEAR(ratio, 2039.0 / 1555.0, 1e-3);
  const KernelKey product = gemm(DataType::bf16, 8192, 8192, 8192);
  EXPECT_NEAR(microseconds(prices_of("dgx-a100-40gb"), product),
              microseconds(prices_of("dgx-a100"), product),
              1e-2 * microseconds(prices_of("dgx-a100"), product));
}

// One expert is a plain product; a hundred with a row each read a hundred weights.
TEST(CatalogPrices, ReadEveryExpertsWeights) {
  const CatalogPrices prices = prices_of("dgx-h100");
  const auto grouped = [&](std::int64_t groups, std::int64_t rows) {
    return microseconds(prices,
                        {KernelOp::grouped_gemm,
                         DataType::bf16,
                         GroupedGemmShape{groups, rows, rows / groups, 4096, 4096}});
  };
  EXPECT_NEAR(
      grouped(1, 8192) / microseconds(prices, gemm(DataType::bf16, 8192, 4096, 4096)), 1.0, 0.02);
  EXPECT_GT(grouped(128, 128) / microseconds(prices, gemm(DataType::bf16, 128, 4096, 4096)), 30.0);
}

TEST(CatalogPrices, OfAttentionAreNeverFasterForMore) {
  for (const char* name : {"dgx-a100", "dgx-h100", "dgx-h200", "dgx-b200", "gb300-nvl72"}) {
    const CatalogPrices prices = prices_of(name);
    for (const KernelOp op : {KernelOp::attention_forward, KernelOp::attention_backward}) {
      for (const Mask mask : {Mask::causal, Mask::full}) {
        const auto time =
            [&](std::int64_t batch, std::int64_t length, std::int64_t heads, std::int64_t size) {
              return microseconds(
                  prices,
                  {op, DataType::bf16, AttentionKeyShape{batch, length, heads, heads, size, mask}});
            };
        for (std::int64_t length = 1; length <= 1 << 20; length *= 4) {
          for (const std::int64_t size : {32, 64, 80, 96, 128, 160, 192, 256, 512}) {
            const double here = time(2, length, 8, size);
            ASSERT_TRUE(std::isfinite(here) && here > 0.0);
            ASSERT_LT(here, time(2, length + 1, 8, size)) << name << length << " " << size;
            ASSERT_LT(here, time(3, length, 8, size)) << name << length << " " << size;
            ASSERT_LT(here, time(2, length, 9, size)) << name << length << " " << size;
            ASSERT_LE(here, time(2, length, 8, size + 8)) << name << length << " " << size;
          }
        }
      }
    }
  }
}

// B200's rates of 256 are from few lengths, GB300's of both masks from two fits.
TEST(CatalogPrices, OfAttentionAreNeverSlowerForFewerKeys) {
  for (const char* cluster :
       {"dgx-a100", "dgx-h100", "dgx-h200", "dgx-b200", "gb200-nvl72", "gb300-nvl72"}) {
    const CatalogPrices prices = prices_of(cluster);
    for (const KernelOp op : {KernelOp::attention_forward, KernelOp::attention_backward}) {
      for (const std::int64_t head_size : {64, 128, 256}) {
        for (std::int64_t length = 128; length <= 65536; length *= 2) {
          KernelKey key = attention(op, length, 16, head_size);
          auto& shape = std::get<AttentionKeyShape>(key.shape);
          const double causal = microseconds(prices, key);
          for (std::int64_t window = 64; window < length; window *= 2) {
            shape.window = window;
            EXPECT_LE(microseconds(prices, key), causal) << cluster << " " << text_of(key);
          }
          shape.window = 0;
          shape.mask = Mask::full;
          EXPECT_GE(microseconds(prices, key), causal) << cluster << " " << text_of(key);
        }
      }
    }
  }
}

TEST(CatalogPrices, OfAttentionStayBelowThePeak) {
  for (const char* name : {"dgx-a100", "dgx-h100", "dgx-b200", "gb300-nvl72"}) {
    const CatalogPrices prices = prices_of(name);
    const double peak =
        read_cluster(name).device.peak.at(DataType::bf16).in(unit::teraflop / unit::second);
    for (const std::int64_t size : {64, 128, 256, 512}) {
      EXPECT_LT(teraflops(prices, attention(KernelOp::attention_forward, 1 << 20, 128, size)),
                peak);
      EXPECT_LT(teraflops(prices, attention(KernelOp::attention_backward, 1 << 20, 128, size)),
                peak);
    }
  }
}

TEST(ClusterPrices, AreFittedWhereTheCatalogKnowsTheDevice) {
  const PriceList prices = prices_from(read_cluster("dgx-h100"), Strictness::any_tier);
  const Price product = prices.kernel(gemm(DataType::bf16, 4096, 4096, 4096));
  EXPECT_EQ(product.tier, Tier::fitted);
  EXPECT_GT(product.relative_error, 0.0);
  EXPECT_LT(product.relative_error, 0.1);
  // fp32 products were in no table.
  EXPECT_EQ(prices.kernel(gemm(DataType::fp32, 4096, 4096, 4096)).tier, Tier::datasheet);
  const CollectiveKey inside{Collective::all_reduce, 1 << 20, DataType::bf16, {8, 8, 1}};
  EXPECT_EQ(prices.collective(inside).tier, Tier::fitted);
  const CollectiveKey between{Collective::all_reduce, 1 << 20, DataType::bf16, {16, 8, 1}};
  EXPECT_EQ(prices.collective(between).tier, Tier::datasheet);
  EXPECT_THROW((void)prices_from(read_cluster("dgx-h100"), Strictness::interpolated_or_better),
               InputError);
}

// Mamba-2's five Triton kernels on an H100 (vllm-project/vllm, pull request 27299): tokens/s by
// length, 128 heads of 64, one group, state 128, chunks of 256.
TEST(ClusterPrices, ReachThePublishedScanOfMamba2) {
  const PriceList prices = prices_from(read_cluster("dgx-h100"), Strictness::any_tier);
  for (const auto& [length, published] :
       {std::pair{4096, 1.206409e7}, {8192, 1.262327e7}, {16384, 1.292440e7}}) {
    const KernelKey key{
        KernelOp::ssd_forward, DataType::bf16, SsdShape{1, length, 128, 64, 1, 128, 256}};
    const double rate = length / prices.kernel(key).time.in(unit::second);
    EXPECT_NEAR(rate / published, 1.0, 0.06) << length;
  }
}

// flash-linear-attention on a B200 (flashinfer-ai/flashinfer, pull request 3001): 8,192 tokens, 16
// value and 4 key heads of 128, chunks of 64.
TEST(ClusterPrices, ReachThePublishedScanOfGatedDeltaNet) {
  const PriceList prices = prices_from(read_cluster("dgx-b200"), Strictness::any_tier);
  const KernelKey key{
      KernelOp::delta_rule_forward, DataType::bf16, DeltaShape{1, 8192, 16, 4, 128, 128, 64}};
  EXPECT_NEAR(prices.kernel(key).time.in(unit::millisecond), 0.424, 0.02);
}

TEST(ClusterPrices, AreTheDatasheetsWithoutAProfile) {
  Cluster cluster = read_cluster("dgx-h100");
  cluster.device.profile.reset();
  cluster.node_profile.reset();
  const PriceList prices = prices_from(cluster, Strictness::any_tier);
  EXPECT_EQ(prices.kernel(gemm(DataType::bf16, 4096, 4096, 4096)).tier, Tier::datasheet);
  const CollectiveKey inside{Collective::all_reduce, 1 << 20, DataType::bf16, {8, 8, 1}};
  EXPECT_EQ(prices.collective(inside).tier, Tier::datasheet);
}

}  // namespace
}  // namespace forerun
