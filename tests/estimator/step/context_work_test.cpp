// Attention over a context group, and products with 8-bit operands.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/step/memory.hpp"
#include "estimator/step/work_list.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

double attention_flop(const std::vector<WorkItem>& items) {
  double flop = 0.0;
  for (const WorkItem& item : items) {
    const auto* kernel = std::get_if<KernelWork>(&item.work);
    if (kernel != nullptr && (kernel->key.op == KernelOp::attention_forward ||
                              kernel->key.op == KernelOp::attention_backward)) {
      flop += hardware_flops(kernel->key).in(unit::flop);
    }
  }
  return flop;
}

// However the sequence is split, its ranks together do the attention of one rank, no more and no
// less: the pieces are balanced.
TEST(ContextWork, SharesTheAttentionOfOneRankEvenly) {
  const StageWork whole = stage_work(small_llama({}), {8}, 0);
  for (const ContextKind kind :
       {ContextKind::ring, ContextKind::all_gather, ContextKind::ulysses}) {
    for (const std::int64_t context : {2, 4}) {
      Job job = small_llama({.context = context});
      job.recipe.context_kind = kind;
      const StageWork work = stage_work(job, {8}, 0);
      EXPECT_DOUBLE_EQ(static_cast<double>(context) * attention_flop(work.chunks[0].forward),
                       attention_flop(whole.chunks[0].forward))
          << name_of(kind) << context;
      EXPECT_DOUBLE_EQ(static_cast<double>(context) * attention_flop(work.chunks[0].backward),
                       attention_flop(whole.chunks[0].backward))
          << name_of(kind) << context;
    }
  }
}

std::int64_t sent(const std::vector<WorkItem>& items, Collective op) {
  std::int64_t bytes = 0;
  for (const WorkItem& item : items) {
    const auto* collective = std::get_if<CollectiveWork>(&item.work);
    if (collective != nullptr && item.part == Part::context_parallel && collective->key.op == op) {
      bytes += collective->key.bytes;
    }
  }
  return bytes;
}

// Keys and values of 8 tokens (32 over 4 ranks), 4 heads of 8, fp32: 2 * 8 * 4 * 8 * 4 = 2048
// bytes. A ring passes them 3 times forward; backward 3 times, and their gradients 4 times
// (modelling.md 2.2). Gathered, 4 of them arrive.
TEST(ContextWork, MovesKeysAndValues) {
  Job job = small_llama({.context = 4}, 1);
  const StageWork ring = stage_work(job, {8}, 0);
  EXPECT_EQ(sent(ring.chunks[0].forward, Collective::send_recv), 3 * 2048);
  EXPECT_EQ(sent(ring.chunks[0].backward, Collective::send_recv), 7 * 2048);
  job.recipe.context_kind = ContextKind::all_gather;
  const StageWork gathered = stage_work(job, {8}, 0);
  EXPECT_EQ(sent(gathered.chunks[0].forward, Collective::all_gather), 4 * 2048);
  EXPECT_EQ(sent(gathered.chunks[0].backward, Collective::reduce_scatter), 4 * 2048);
  job.recipe.context_kind = ContextKind::ulysses;
  const StageWork exchanged = stage_work(job, {8}, 0);
  // Queries, keys and values of 16 heads, then outputs of 8: 8 tokens of 8 fp32 numbers each.
  EXPECT_EQ(sent(exchanged.chunks[0].forward, Collective::all_to_all), (16 + 8) * 8 * 8 * 4);
}

TEST(ContextWork, DividesActivationsAndReducesGradientsOverAllReplicas) {
  const Job whole = small_llama({.data = 4});
  Job split = small_llama({.context = 4});
  split.recipe.global_batch = 8;
  const StageWork one = stage_work(whole, {8}, 0);
  const StageWork part = stage_work(split, {8}, 0);
  EXPECT_LT(kept_bytes(part.chunks[0]).in(unit::byte),
            0.3 * kept_bytes(one.chunks[0]).in(unit::byte));
  EXPECT_EQ(one.tail.size(), part.tail.size());
  EXPECT_EQ(one.weights.elements, part.weights.elements);
}

// Each of the 4 products of a layer: one cast of its input forward, one of its gradient backward;
// weights once a step.
TEST(Fp8Work, CastsWhatItsProductsRead) {
  Job job = small_llama({}, 1);
  job.recipe.precision = Precision::fp8;
  const StageWork work = stage_work(job, {8}, 0);
  const auto count = [](const std::vector<WorkItem>& items, KernelOp op, bool is_fp8) {
    return std::ranges::count_if(items, [&](const WorkItem& item) {
      const auto* kernel = std::get_if<KernelWork>(&item.work);
      return kernel != nullptr && kernel->key.op == op &&
             (kernel->key.type == DataType::fp8_e4m3 || kernel->key.type == DataType::fp8_e5m2) ==
                 is_fp8;
    });
  };
  EXPECT_EQ(count(work.chunks[0].forward, KernelOp::cast, true), 4);
  EXPECT_EQ(count(work.chunks[0].forward, KernelOp::gemm, true), 4);
  EXPECT_EQ(count(work.chunks[0].forward, KernelOp::gemm, false), 1);  // the head
  EXPECT_EQ(count(work.chunks[0].backward, KernelOp::cast, true), 4);
  EXPECT_EQ(count(work.chunks[0].backward, KernelOp::gemm, true), 8);
  EXPECT_EQ(count(work.tail, KernelOp::cast, true), 4);
}

// With sequence parallelism the normed inputs stay as a rank's own rows in 16 bits, as without fp8:
// of the 32 tokens, gathered again, no copy stays. What is narrow is the input of the output
// projection beside attention's wide one, 32 x 32, and the FFN's 32 x 48 instead of it in 16 bits.
TEST(Fp8Work, KeepsNoCopyOfAGatheredInput) {
  Job job = small_llama({.tensor = 2}, 1);
  job.recipe.precision = Precision::bf16;
  const Bytes wide = kept_bytes(stage_work(job, {8}, 0).chunks[0]);
  job.recipe.precision = Precision::fp8;
  const StageWork work = stage_work(job, {8}, 0);
  EXPECT_DOUBLE_EQ((wide - kept_bytes(work.chunks[0])).in(unit::byte), 32.0 * 48 - 32.0 * 32);
  const auto casts = std::ranges::count_if(work.chunks[0].backward, [](const WorkItem& item) {
    const auto* kernel = std::get_if<KernelWork>(&item.work);
    return kernel != nullptr && kernel->key.op == KernelOp::cast;
  });
  EXPECT_EQ(casts, 4 + 2);  // gradients, and the inputs of the two column-parallel products
}

// 8,192 + 4,096 + 12,288 + 6,144 weights of a layer's four matrices: 2 bytes less of each are kept,
// and one less is gathered.
TEST(Fp8Work, GathersItsWeightsInOneByte) {
  Job job = small_llama({.data = 2}, 1);
  job.recipe.precision = Precision::fp8;
  const auto state = [&] {
    const StageWork work = stage_work(job, {8}, 0);
    std::int64_t gathered = 0;
    for (const WorkItem& item : work.tail) {
      const auto* collective = std::get_if<CollectiveWork>(&item.work);
      gathered += collective != nullptr && collective->key.op == Collective::all_gather
                      ? collective->key.bytes
                      : 0;
    }
    return std::pair(state_memory(job, work.weights).weights.in(unit::byte), gathered);
  };
  const auto [wide, gathered_wide] = state();
  job.recipe.fp8_param_gather = true;
  const auto [narrow, gathered_narrow] = state();
  EXPECT_DOUBLE_EQ(wide - narrow, 2.0 * 30720);
  EXPECT_EQ(gathered_wide - gathered_narrow, 30720);
}

TEST(Fp8Work, RefusesNarrowWeightsWhereThereAreNone) {
  Job job = small_llama({.data = 2}, 1);
  job.recipe.fp8_param_gather = true;
  EXPECT_THAT(*unsupported_because(job), testing::HasSubstr("expected --precision fp8 or mxfp8"));
  job.recipe.precision = Precision::mxfp8;
  EXPECT_FALSE(unsupported_because(job));
  job.recipe.zero = ZeroStage::parameters;
  EXPECT_THAT(*unsupported_because(job), testing::HasSubstr("expected --zero 0 to 2"));
}

// The products' inputs are kept in one byte instead of two: 32 tokens of norm1 (64), attended (64),
// norm2 (64) and activated (96).
TEST(Fp8Work, KeepsInputsOfProductsInOneByte) {
  Job job = small_llama({}, 1);
  job.recipe.precision = Precision::bf16;
  const Bytes wide = kept_bytes(stage_work(job, {8}, 0).chunks[0]);
  job.recipe.precision = Precision::fp8;
  const Bytes narrow = kept_bytes(stage_work(job, {8}, 0).chunks[0]);
  // Attention's backward pass reads its output in 16 bits: that copy stays beside the narrow one.
  EXPECT_DOUBLE_EQ((wide - narrow).in(unit::byte), 32.0 * (64 + 64 + 96) - 32.0 * 64);
}

}  // namespace
}  // namespace forerun
