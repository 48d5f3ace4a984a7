// The weight part of backward passes: which items it holds and how much work that is.
#include "estimator/step/backward_split.hpp"

#include <gtest/gtest.h>

#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Stage 1 of 4: neither embedding nor head.
std::vector<WorkItem> backward_of(const ParallelLayout& layout) {
  return stage_work(small_llama(layout), {8}, 1).chunks.front().backward;
}

TEST(BackwardSplit, PutsHalfTheMatrixWorkIntoTheWeightPart) {
  const auto items = backward_of({.pipeline = 4});
  const auto is_weight_part = weight_part_of(items);
  double input = 0.0;
  double weight = 0.0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& kernel = std::get<KernelWork>(items[i].work);
    if (kernel.key.op == KernelOp::gemm) {
      (is_weight_part[i] ? weight : input) += hardware_flops(kernel.key).in(unit::flop);
    }
  }
  // Per layer and token 2 (h (a + 2g) e + a e h + 3 h f) FLOP each way, of 32 tokens.
  EXPECT_DOUBLE_EQ(weight, 32 * 2.0 * (64 * 16 * 8 + 64 * 64 + 3 * 64 * 96));
  EXPECT_DOUBLE_EQ(input, weight);
}

TEST(BackwardSplit, LeavesNormsInTheInputPart) {
  const auto items = backward_of({.pipeline = 4});
  const auto is_weight_part = weight_part_of(items);
  int norms = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (std::get<KernelWork>(items[i].work).key.op == KernelOp::rms_norm_backward) {
      EXPECT_FALSE(is_weight_part[i]);
      ++norms;
    }
  }
  EXPECT_EQ(norms, 2);
}

TEST(BackwardSplit, MovesTheSecondGatherOfInputsToTheWeightPart) {
  const auto items = backward_of({.tensor = 2, .pipeline = 4});
  const auto is_weight_part = weight_part_of(items);
  int moved = 0;
  int left = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (std::holds_alternative<CollectiveWork>(items[i].work)) {
      (is_weight_part[i] ? moved : left) += 1;
    }
  }
  // Attention and FFN each gather their input again for the weights, gather the gradient of their
  // output, and scatter that of their input.
  EXPECT_EQ(moved, 2);
  EXPECT_EQ(left, 4);
}

}  // namespace
}  // namespace forerun
