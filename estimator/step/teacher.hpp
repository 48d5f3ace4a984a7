// Distillation: a frozen teacher runs forward before the model that is trained, micro-batch by
// micro-batch, on the same ranks and split alike.
#pragma once

#include <vector>

#include "estimator/step/memory.hpp"
#include "estimator/step/step_pieces.hpp"

namespace forerun {

/// Adds the teacher's forward passes and messages, and the loss that compares both models' logits.
/// There must be a teacher.
void add_teacher(const Job& job,
                 const Placement& placement,
                 Pricing& pricing,
                 HostCost host,
                 PricedStages& priced);

/// Adds the teacher's weights, what its passes hold and, where the loss is taken, its logits.
void add_teacher(const Job& job,
                 const Placement& placement,
                 const MemoryOverheads& overheads,
                 std::vector<StageMemory>& stages);

}  // namespace forerun
