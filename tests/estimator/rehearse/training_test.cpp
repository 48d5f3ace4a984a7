// The rehearsed step trains: on one batch the loss falls, however the step is split; in bf16 its
// gradients stay within what rounding explains.
#include <cmath>

#include <gtest/gtest.h>

#include "kernels/operands.hpp"
#include "tests/estimator/rehearse/compare_ranks.hpp"
#include "tests/estimator/step/step_jobs.hpp"

namespace forerun {
namespace {

std::vector<double> losses(const Job& job, Communicator& ranks, std::int64_t steps) {
  const auto device = one_thread_device();
  GridCommunicators groups(ranks, job.layout, megatron_order, experts_of(job.model));
  Executor executor(job, {ranks.size()}, *device, groups);
  executor.initialise(5);
  executor.hold_batch();
  std::vector<double> result;
  for (std::int64_t step = 0; step < steps; ++step) {
    result.push_back(mean_loss(executor.run_step(step).loss_sum, job, ranks));
  }
  return result;
}

std::vector<ParallelLayout> layouts_of(int ranks) {
  switch (ranks) {
    case 1:
      return {{}};
    case 2:
      return {{.tensor = 2}, {.pipeline = 2}, {.context = 2}, {.data = 2}};
    default:
      return {{.tensor = 2, .pipeline = 2}, {.context = 2, .data = 2}};
  }
}

// AdamW's first steps move every weight by its learning rate, 1e-4 beside initial weights of
// 2e-2, against its gradient: the loss of a held batch falls with every step, and in ten of them by
// more than rounding.
TEST(Training, LowersTheLossOfAHeldBatch) {
  const auto ranks = world();
  for (const ParallelLayout& layout : layouts_of(ranks->size())) {
    const auto loss = losses(small_gpt2(layout, 2), *ranks, 10);
    for (std::size_t step = 1; step < loss.size(); ++step) {
      EXPECT_LT(loss[step], loss[step - 1]) << text_of(layout) << " step " << step;
    }
    EXPECT_LT(loss.back(), loss.front() - 0.01) << text_of(layout);
  }
}

TEST(Training, LowersTheLossOfExperts) {
  const auto ranks = world();
  const auto loss =
      losses(small_mixtral({.expert = ranks->size(), .data = ranks->size()}), *ranks, 10);
  EXPECT_LT(loss.back(), loss.front() - 0.01);
}

// Results that are rounded to bf16 between the tokens and a weight's gradient, forward and back.
double roundings(const Job& job) {
  double count = 0.0;
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    for (const ChunkWork& chunk : stage_work(job, {world_size(job.layout)}, stage).chunks) {
      for (const auto* const items : {&chunk.forward, &chunk.backward}) {
        for (const WorkItem& item : *items) {
          if (const auto* const collective = std::get_if<CollectiveWork>(&item.work)) {
            count += reduces(collective->key.op) && collective->key.type == DataType::bf16 ? 1 : 0;
            continue;
          }
          for (const Operand& operand : operands_of(std::get<KernelWork>(item.work).key)) {
            count += operand.access != Access::read && operand.type == DataType::bf16 ? 1 : 0;
          }
        }
      }
    }
  }
  return count;
}

// bf16 keeps 8 bits: one rounding is off by at most 2^-9 of a value, 2^-9 / sqrt(3) in the mean
// square. Two steps that group their sums differently differ by one such error of each at every
// rounded result; independent errors of n results on the way to a gradient add up to sqrt(2 n) of
// one. Errors of one result reach a gradient with at most about its own weight; a factor of 3
// stands for the ways (residual sums) on which they arrive together.
TEST(Bf16Gradients, DifferByNoMoreThanTheirRoundings) {
  const auto ranks = world();
  std::vector<ParallelLayout> layouts = layouts_of(ranks->size());
  for (const ParallelLayout& layout : layouts) {
    Job job = small_llama(layout);
    job.recipe.precision = Precision::bf16;
    const EqualityReport report = compare(job, *ranks);
    const double bound = 3.0 * 0x1p-9 / std::sqrt(3.0) * std::sqrt(2.0 * roundings(job));
    EXPECT_LT(report.worst_gradient_error, bound) << text_of(layout) << report.worst_tensor;
    EXPECT_LT(report.worst_gradient_error, report.tolerance) << text_of(layout);
    EXPECT_TRUE(report.replicas_agree);
    if (ranks->size() > 1 && layout.data == 1 && layout.pipeline == 1) {
      EXPECT_GT(report.worst_gradient_error, 0x1p-12) << "nothing was rounded differently?";
    }
  }
}

}  // namespace
}  // namespace forerun
