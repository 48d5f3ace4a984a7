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

TeacherCosts::TeacherCosts(const Job& job,
                           const Placement& placement,
                           Pricing& pricing,
                           HostCost host)
    : teacher_(teacher_job(job)),
      builder_(teacher_, placement),
      works_(teacher_, builder_),
      pricing_(pricing),
      costs_(teacher_, works_, pricing, host),
      loss_(divergence(job)) {}

ChunkPass TeacherCosts::forward(const ChunkContent& content) {
  ChunkPass forward = costs_.chunk(content).forward;
  if (content.head) {
    forward.cost += pricing_.part(loss_).forward;
  }
  return forward;
}

// Its activations travel one way, where messages are priced both ways.
void add_teacher_messages(const Job& job,
                          const Placement& placement,
                          Pricing& pricing,
                          std::vector<Seconds>& messages) {
  const Job teacher = teacher_job(job);
  PricedStages priced;
  price_messages(WorkBuilder(teacher, placement), pricing, priced);
  for (std::size_t i = 0; i < priced.messages.size(); ++i) {
    messages[i] += 0.5 * priced.messages[i];
  }
}

void add_teacher(const Job& job,
                 const Placement& placement,
                 Pricing& pricing,
                 HostCost host,
                 PricedStages& priced) {
  const Job teacher = teacher_job(job);
  TeacherCosts costs(job, placement, pricing, host);
  for (std::size_t stage = 0; stage < priced.stages.size(); ++stage) {
    const auto held = contents_of_stage(teacher, static_cast<std::int64_t>(stage));
    for (std::size_t local = 0; local < held.size(); ++local) {
      priced.stages[stage].chunks[local].forward += costs.forward(held[local]);
    }
  }
  add_teacher_messages(job, placement, pricing, priced.messages);
}

TeacherMemory teacher_memory(const Job& job, const Placement& placement, std::int64_t stage) {
  const Job teacher = teacher_job(job);
  const WorkBuilder builder(teacher, placement);
  PartWorks works(teacher, builder);
  ChunkMemories sizes(teacher, works);
  const RowsShape scores = scores_of(job);
  TeacherMemory memory;
  memory.weights = state_memory(teacher, stage_weights(teacher, stage)).weights;
  for (const ChunkContent& content : contents_of_stage(teacher, stage)) {
    memory.transient = std::max(memory.transient, sizes.chunk(content).forward_transient);
    if (content.head) {
      memory.logits = static_cast<double>(scores.rows * scores.columns) *
                      size_of(data_type_of(job.recipe.precision));
    }
  }
  return memory;
}

ActivationPeak peak_beside(const TeacherMemory& teacher, ActivationPeak peak) {
  peak.transient = std::max(peak.transient, teacher.transient) + teacher.logits;
  return peak;
}

void add_teacher(const Job& job,
                 const Placement& placement,
                 const MemoryOverheads& overheads,
                 std::vector<StageMemory>& stages) {
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    StageMemory& memory = stages[stage];
    const TeacherMemory teacher = teacher_memory(job, placement, static_cast<std::int64_t>(stage));
    const Bytes transient = peak_beside(teacher, {{}, memory.transient, {}}).transient;
    const Bytes added = teacher.weights + (transient - memory.transient);
    memory.weights += teacher.weights;
    memory.transient = transient;
    memory.fragmentation += overheads.fragmentation_fraction * added;
  }
}

}  // namespace forerun
