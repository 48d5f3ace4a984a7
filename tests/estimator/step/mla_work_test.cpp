// Latent attention: products, weights and attention of a layer, counted by hand.
#include <gtest/gtest.h>

#include "estimator/step/stage_weights.hpp"
#include "estimator/step/work_list.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "tests/estimator/step/work_sums.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr double tokens = 32.0;
// Hidden 64 to query latent 24, that to 8 heads of 12; hidden to 16 + 4, 16 to 8 heads of 8 + 8;
// 8 heads of 8 back to hidden; the gated FFN of 96.
constexpr double matrices =
    64.0 * 24 + 24.0 * 8 * 12 + 64.0 * (16 + 4) + 16.0 * 8 * (8 + 8) + 8.0 * 8 * 64 + 3.0 * 64 * 96;

// What one layer of four adds, so that the head does not count.
double layer_flop(Job job, std::vector<WorkItem> ChunkWork::*pass, KernelOp op) {
  const auto all = [&] { return flop_of(stage_work(job, {8}, 0).chunks[0].*pass, op); };
  const double four = all();
  job.model.layers = 3;
  return four - all();
}

TEST(LatentWork, MultipliesItsMatricesOnceForwardAndTwiceBackward) {
  const Job job = small_latent({});
  EXPECT_DOUBLE_EQ(layer_flop(job, &ChunkWork::forward, KernelOp::gemm), 2 * tokens * matrices);
  EXPECT_DOUBLE_EQ(layer_flop(job, &ChunkWork::backward, KernelOp::gemm), 4 * tokens * matrices);
}

// modelling notes 1.2: 2 s^2 a (e_qk + e_v), halved by the mask; backward 2 s^2 a (3 e_qk + 2 e_v).
TEST(LatentWork, AttendsWithKeysWiderThanValues) {
  const Job job = small_latent({});
  const double square = 2 * tokens * tokens * 8 / 2;
  EXPECT_DOUBLE_EQ(layer_flop(job, &ChunkWork::forward, KernelOp::attention_forward),
                   square * (12 + 8));
  EXPECT_DOUBLE_EQ(layer_flop(job, &ChunkWork::backward, KernelOp::attention_backward),
                   square * (3 * 12 + 2 * 8));
}

// Two norms of the layer, one of each latent.
TEST(LatentWork, HoldsTheWeightsOfALayer) {
  EXPECT_DOUBLE_EQ(static_cast<double>(layer_weights(small_latent({}), 0).parameters),
                   matrices + 2 * 64 + 24 + 16);
}

// The projections to the latents are whole on every rank, but work on its part of the tokens: the
// ranks' products together are those of one.
TEST(LatentWork, OfTensorRanksIsThatOfOne) {
  const Job one = small_latent({});
  const Job two = small_latent({.tensor = 2});
  for (const auto pass : {&ChunkWork::forward, &ChunkWork::backward}) {
    EXPECT_DOUBLE_EQ(2 * layer_flop(two, pass, KernelOp::gemm),
                     layer_flop(one, pass, KernelOp::gemm));
  }
}

}  // namespace
}  // namespace forerun
