// The profiles that ship against published kernels: right devices, and errors as they state them.
#include "estimator/validate/validate_catalog.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/estimator/validate/group_error.hpp"
#include "tests/estimator/validate/written_file.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

TEST(ValidateCatalog, PricesOnlyDevicesOfTheCatalog) {
  const WrittenFile file(
      "kernels.csv",
      "id,source,kernel,impl,gpu,precision,direction,m,n,k,batch,seq_len,heads,kv_heads,head_dim,"
      "causal,tflops,time_us\n"
      "known,s x,gemm,i,H100-80GB,bf16,fwd,4096,4096,4096,,,,,,,700,\n"
      "other,s x,gemm,i,H800,bf16,fwd,4096,4096,4096,,,,,,,700,\n"
      "fwd,flash-attention x,attention,FlashAttention-2,H100-80GB SXM5,fp16/bf16,fwd,,,,4,4096,32,,"
      "64,true,284,\n"
      "both,flash-attention x,attention,FlashAttention-2,H100-80GB "
      "SXM5,fp16/bf16,fwd+bwd,,,,4,4096,"
      "32,,64,true,257,\n");
  const Validation validation = validate_catalog(read_public_timings(file.path()));
  ASSERT_EQ(validation.rows.size(), 3U);
  EXPECT_EQ(validation.rows[0].id, "known");
  EXPECT_EQ(validation.rows[0].groups.size(), 2U);  // the table, and its products from 512 rows
  // FlashAttention-2's chart, 284 forward and 257 for both passes: a few percent.
  for (const std::size_t i : {1UL, 2UL}) {
    const ValidationRow& row = validation.rows[i];
    EXPECT_NEAR(*row.predicted / *row.published, 1.0, 0.05) << row.id;
  }
}

// No worse on the rows that the profile was fitted to than the error that it states for others.
TEST(ValidateCatalog, KeepsToTheErrorsThatTheProfilesState) {
  const std::string file = FORERUN_REFERENCE_DATA "/published/kernels.csv";
  if (!std::filesystem::exists(file)) {
    GTEST_SKIP() << "reference data not found";
  }
  const Validation validation = validate_catalog(read_public_timings(file));
  const std::string aic = "ai-dynamo/aiconfigurator ";
  // Fitted to Vidur, as A100: this is by how much the two sources differ.
  EXPECT_LT(error_in(validation, "dgx-h100: " + aic + "H100-80GB bf16 gemm"), 0.15);
  EXPECT_LT(error_in(validation, "dgx-h100: " + aic + "H100-80GB fp8 gemm"), 0.035);
  EXPECT_LT(error_in(validation, "dgx-b200: SimuMax B200 bf16 gemm"), 0.12);
  EXPECT_LT(error_in(validation, "dgx-b200: " + aic + "B200 fp8 gemm"), 0.07);
  // Its short runs in 16 bits are at clocks that a step does not see.
  EXPECT_LT(error_in(validation, "dgx-b200: " + aic + "B200 bf16 gemm"), 0.28);
  EXPECT_LT(error_in(validation, "dgx-b300: " + aic + "B300 bf16 gemm"), 0.28);
  EXPECT_LT(error_in(validation, "gb200-nvl72: " + aic + "GB200 bf16 gemm"), 0.28);
}

TEST(ValidateCatalog, PricesVidursLayers) {
  const std::string folder = FORERUN_REFERENCE_DATA "/measurements";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "reference data not found";
  }
  const Validation validation = validate_catalog(read_public_timings(folder));
  EXPECT_LT(error_in(validation, "dgx-a100: vidur a100: product, m in 128s"), 0.06);
  EXPECT_LT(error_in(validation, "dgx-a100: vidur a100: layer, m in 128s"), 0.035);
  EXPECT_LT(error_in(validation, "dgx-a100: vidur a100: layer, m above 4096"), 0.03);
  EXPECT_LT(error_in(validation, "dgx-h100: vidur h100: product, m in 128s"), 0.075);
  EXPECT_LT(error_in(validation, "dgx-h100: vidur h100: layer, m in 128s"), 0.05);
}

}  // namespace
}  // namespace forerun
