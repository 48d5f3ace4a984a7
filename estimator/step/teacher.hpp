// Distillation: a frozen teacher runs forward before the model that is trained, micro-batch by
// micro-batch, on the same ranks and split alike.
#pragma once

#include <vector>

#include "estimator/step/memory.hpp"
#include "estimator/step/step_pieces.hpp"

namespace forerun {

/// Prices the teacher's chunks. Not to be moved: it refers to itself.
class TeacherCosts {
 public:
  /// There must be a teacher.
  TeacherCosts(const Job& job, const Placement& placement, Pricing& pricing, HostCost host);
  TeacherCosts(const TeacherCosts&) = delete;
  TeacherCosts& operator=(const TeacherCosts&) = delete;
  TeacherCosts(TeacherCosts&&) = delete;
  TeacherCosts& operator=(TeacherCosts&&) = delete;
  ~TeacherCosts() = default;

  /// The forward pass of one micro-batch and, with the head, the loss that compares both models'
  /// logits.
  [[nodiscard]] ChunkPass forward(const ChunkContent& content);

 private:
  Job teacher_;
  WorkBuilder builder_;
  PartWorks works_;
  Pricing& pricing_;
  ChunkCosts costs_;
  PartWork loss_;
};

/// Adds the teacher's messages to those of the trained model.
void add_teacher_messages(const Job& job,
                          const Placement& placement,
                          Pricing& pricing,
                          std::vector<Seconds>& messages);

/// Adds the teacher's forward passes and messages. There must be a teacher.
void add_teacher(const Job& job,
                 const Placement& placement,
                 Pricing& pricing,
                 HostCost host,
                 PricedStages& priced);

/// What a stage holds of the teacher.
struct TeacherMemory {
  Bytes weights;
  Bytes transient;  ///< while it runs forward, instead of the trained model
  Bytes logits;     ///< where the loss is taken, beside either
};

[[nodiscard]] TeacherMemory teacher_memory(const Job& job,
                                           const Placement& placement,
                                           std::int64_t stage);

/// Of the trained model's peak: with what the teacher needs beyond it.
[[nodiscard]] ActivationPeak peak_beside(const TeacherMemory& teacher, ActivationPeak peak);

/// Adds the teacher's weights, what its passes hold and, where the loss is taken, its logits.
void add_teacher(const Job& job,
                 const Placement& placement,
                 const MemoryOverheads& overheads,
                 std::vector<StageMemory>& stages);

}  // namespace forerun
