#include "estimator/step/teacher.hpp"

#include <algorithm>

#include "estimator/step/part_work.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Scores of one micro-batch on one tensor rank.
RowsShape scores_of(const Job& job) {
  const std::int64_t tensor = job.layout.tensor;
  return {job.recipe.sequence / job.layout.context * job.recipe.micro_batch,
          padded_vocabulary(job.model.vocabulary, tensor) / tensor};
}

// The teacher's softmax, and its difference from the student's: the gradient of their divergence
// (Hinton et al. 2015, arXiv 1503.02531, section 2).
PartWork divergence(const Job& job) {
  const DataType type = data_type_of(job.recipe.precision);
  const RowsShape scores = scores_of(job);
  const TensorId own{TensorName::logits, job.model.layers};
  const TensorId taught{TensorName::logits_fp32, job.model.layers};
  PartWork loss;
  loss.forward = {
      {Part::compute,
       KernelWork{{KernelOp::cross_entropy_gradient, type, scores},
                  {taught,
                   {TensorName::row_max},
                   {TensorName::row_sums},
                   {TensorName::targets},
                   {TensorName::row_loss}}},
       {}},
      {Part::compute, KernelWork{{KernelOp::add, type, scores}, {own, taught, own}}, {}}};
  return loss;
}

}  // namespace

void add_teacher(const Job& job,
                 const Placement& placement,
                 Pricing& pricing,
                 HostCost host,
                 PricedStages& priced) {
  const Job teacher = teacher_job(job);
  ChunkCosts costs(teacher, placement, pricing, host);
  for (std::size_t stage = 0; stage < priced.stages.size(); ++stage) {
    const auto held = contents_of_stage(teacher, static_cast<std::int64_t>(stage));
    for (std::size_t local = 0; local < held.size(); ++local) {
      ChunkPass& forward = priced.stages[stage].chunks[local].forward;
      forward += costs.chunk(held[local]).forward;
      if (held[local].head) {
        forward.cost += pricing.part(divergence(job)).forward;
      }
    }
  }
  // Its activations travel one way, where messages are priced both ways.
  PricedStages messages;
  price_messages(WorkBuilder(teacher, placement), pricing, messages);
  for (std::size_t i = 0; i < messages.messages.size(); ++i) {
    priced.messages[i] += 0.5 * messages.messages[i];
  }
}

void add_teacher(const Job& job,
                 const Placement& placement,
                 const MemoryOverheads& overheads,
                 std::vector<StageMemory>& stages) {
  const Job teacher = teacher_job(job);
  const WorkBuilder builder(teacher, placement);
  ChunkMemories sizes(teacher, builder);
  const RowsShape scores = scores_of(job);
  const Bytes logits = static_cast<double>(scores.rows * scores.columns) *
                       size_of(data_type_of(job.recipe.precision));
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    const auto number = static_cast<std::int64_t>(stage);
    const Bytes weights = state_memory(teacher, stage_weights(teacher, number)).weights;
    Bytes transient = stages[stage].transient;
    Bytes compared;
    for (const ChunkContent& content : contents_of_stage(teacher, number)) {
      transient = std::max(transient, sizes.chunk(content).forward_transient);
      compared = content.head ? logits : compared;
    }
    const Bytes added = weights + (transient + compared - stages[stage].transient);
    stages[stage].weights += weights;
    stages[stage].transient = transient + compared;
    stages[stage].fragmentation += overheads.fragmentation_fraction * added;
  }
}

}  // namespace forerun
