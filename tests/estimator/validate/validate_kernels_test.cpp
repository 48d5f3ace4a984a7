// Kernel tables: shapes read right, families left out whole, and the errors on public tables.
#include "estimator/validate/validate_kernels.hpp"

#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/kernel_cost.hpp"
#include "tests/estimator/validate/group_error.hpp"
#include "tests/estimator/validate/written_file.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

const std::string vidur_header =
    "time_stats.attn_pre_proj.median,time_stats.attn_post_proj.median,"
    "time_stats.mlp_up_proj.median,time_stats.mlp_down_proj.median,n_head,n_kv_head,n_embd,"
    "n_expanded_embd,use_gated_mlp,num_tokens,num_tensor_parallel_workers\n";

TEST(VidurTable, NamesTheShapesOfARank) {
  // Llama-2 70B on 8 ranks: 8 query heads and one key-value head of 128; 2 x 3584 of 28672.
  const WrittenFile file("vidur-a100-Llama.csv",
                         vidur_header + "1,2,3,4,64,8,8192,28672,True,256,8\n" +
                             "3,2,3,4,64,8,8192,28672,True,256,8\n" +
                             "2,2,3,4,64,8,8192,28672,True,256,8\n");
  const auto timings = read_vidur_table(file.path());
  ASSERT_EQ(timings.size(), 4U);
  std::vector<std::string> keys;
  for (const PublicTiming& timing : timings) {
    keys.push_back(text_of(timing.key));
    EXPECT_EQ(timing.family, "Llama");
    EXPECT_EQ(timing.table, "vidur a100");
  }
  EXPECT_THAT(keys,
              testing::UnorderedElementsAre("gemm fp16 m=256 n=1280 k=8192 nt",
                                            "gemm fp16 m=256 n=8192 k=1024 nt",
                                            "gemm fp16 m=256 n=7168 k=8192 nt",
                                            "gemm fp16 m=256 n=8192 k=3584 nt"));
  for (const PublicTiming& timing : timings) {
    if (timing.id.ends_with("attn_pre_proj")) {
      EXPECT_NEAR(timing.time.in(unit::millisecond), 2.0, 1e-12);  // the median of 1, 3, 2
    }
  }
}

const std::string kernel_header =
    "id,source,kernel,impl,gpu,precision,direction,m,n,k,batch,seq_len,heads,kv_heads,head_dim,"
    "causal,tflops,time_us\n";

TEST(KernelTable, ReadsTimesOrRates) {
  const WrittenFile file("kernels.csv",
                         kernel_header + "g,s x,gemm,i,H100,bf16,wgrad,100,200,300,,,,,,,,7.5\n" +
                             "r,s x,gemm,i,H100,fp8,fwd,1000,1000,1000,,,,,,,200,\n" +
                             "a,s x,attention,i,H100,fp16/bf16,fwd,,,,2,1000,4,,50,true,100,\n" +
                             "b,s x,attention,i,H100,bf16,fwd+bwd,,,,2,1000,4,2,50,false,100,\n" +
                             "c,s x,grouped gemm,i,H100,bf16,fwd,1,2,3,,,,,,,100,\n");
  const auto timings = read_kernel_table(file.path());
  ASSERT_EQ(timings.size(), 5U);
  EXPECT_EQ(text_of(timings[0].key), "gemm bf16 m=100 n=200 k=300 tn");
  EXPECT_NEAR(timings[0].time.in(unit::microsecond), 7.5, 1e-9);
  EXPECT_NEAR(timings[1].time.in(unit::microsecond), 2e9 / 200e12 * 1e6, 1e-9);
  // 4 b s^2 a e / 2 = 8e8 FLOP at 100 TFLOP/s.
  EXPECT_NEAR(timings[2].time.in(unit::microsecond), 8.0, 1e-9);
  // Both passes without a mask: 3.5 times 1.6e9.
  EXPECT_NEAR(timings[3].time.in(unit::microsecond), 56.0, 1e-9);
  EXPECT_EQ(timings[3].key.op, KernelOp::attention_backward);
  EXPECT_THAT(timings[4].skip_reason, testing::HasSubstr("grouped gemm"));
}

// Rows of one group: 2 x 160 x 154 x 3072 x 5120 FLOP at 449.29 TFLOP/s.
TEST(KernelTable, ReadsGroupedProducts) {
  const WrittenFile file(
      "kernels.csv",
      "id,source,kernel,impl,gpu,precision,direction,m,n,k,groups,tflops,time_us\n"
      "f,s x,grouped gemm,i,B200,bf16,fwd,154,3072,5120,160,449.29,\n"
      "w,s x,grouped gemm,i,B200,bf16,wgrad,154,3072,5120,160,210.72,\n"
      "n,s x,grouped gemm,i,B200,bf16,fwd,154,3072,5120,,449.29,\n");
  const auto timings = read_kernel_table(file.path());
  ASSERT_EQ(timings.size(), 3U);
  EXPECT_EQ(text_of(timings[0].key),
            "grouped_gemm bf16 groups=160 rows=24640 largest=154 n=3072 k=5120 nt");
  EXPECT_NEAR(timings[0].time.in(unit::microsecond), 775080192000.0 / 449.29e6, 0.1);
  EXPECT_EQ(text_of(timings[1].key),
            "grouped_gemm bf16 groups=160 rows=24640 largest=154 n=3072 k=5120 tn acc");
  EXPECT_FALSE(timings[2].skip_reason.empty());
}

TEST(PublicTimings, RefuseAFolderWithoutTables) {
  const WrittenFile file("other.csv", "a\n1\n");
  EXPECT_THROW((void)read_public_timings(std::filesystem::path(file.path()).parent_path().string()),
               InputError);
  EXPECT_THROW((void)read_public_timings("/nonexistent"), InputError);
}

// What a family is predicted from never holds the family itself: a model that is three times
// slower than the other comes out three times too fast, not right.
TEST(ValidateKernels, LeaveTheWholeFamilyOut) {
  std::string slow = vidur_header;
  std::string fast = vidur_header;
  for (const int tokens : {128, 256, 512, 1024, 2048}) {
    const double time = 1e-3 * tokens;
    fast += fmt::format("{0},{0},{0},{0},8,8,1024,2048,False,{1},1\n", time, tokens);
    slow += fmt::format("{0},{0},{0},{0},8,8,1024,2048,False,{1},1\n", 3.0 * time, tokens);
  }
  const WrittenFile fast_file("vidur-x-fast.csv", fast);
  const WrittenFile slow_file("vidur-x-slow.csv", slow);
  const auto folder = std::filesystem::path(fast_file.path()).parent_path().string();
  const Validation validation = validate_kernels(read_public_timings(folder));
  for (const ValidationRow& row : validation.rows) {
    ASSERT_TRUE(row.predicted.has_value()) << row.id;
    const double expected = row.id.find("slow") == std::string::npos ? 3.0 : 1.0 / 3.0;
    EXPECT_NEAR(*row.predicted / *row.published, expected, 0.01 * expected) << row.id;
  }
  const auto groups = groups_of(validation);
  ASSERT_EQ(groups.size(), 2U);  // products and layers; every m is a multiple of 128
  EXPECT_EQ(groups[0].second.total, 40);
  EXPECT_EQ(groups[1].second.total, 10);
}

// modelling.md 10.5 and the aims that follow from it.
TEST(ValidateKernels, MeetTheirAimsOnPublicTables) {
  const std::string folder = FORERUN_REFERENCE_DATA "/measurements";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "reference data not found";
  }
  const Validation validation = validate_kernels(read_public_timings(folder));
  EXPECT_LT(error_in(validation, "vidur a100: product, m in 128s"), 0.05);
  EXPECT_LT(error_in(validation, "vidur h100: product, m in 128s"), 0.07);
  EXPECT_LT(error_in(validation, "vidur a100: layer, m in 128s"), 0.035);
  EXPECT_LT(error_in(validation, "vidur h100: layer, m in 128s"), 0.045);
  EXPECT_LT(error_in(validation, "vidur a100: product, other m"), 0.07);
  EXPECT_LT(error_in(validation, "vidur h100: product, other m"), 0.09);
}

}  // namespace
}  // namespace forerun
