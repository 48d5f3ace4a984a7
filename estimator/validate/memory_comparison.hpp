// Predicted memory beside the peaks that tables print.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/estimate/estimate.hpp"
#include "estimator/validate/training_table.hpp"
#include "estimator/validate/validation.hpp"

namespace forerun {

/// What the framework counts: tensors alone, what its allocator holds for them, or all that the
/// driver sees as used (`memory_kind`: allocated, reserved, device; the last one where the cells do
/// not tell). `memory_unit` is GiB or GB.
[[nodiscard]] MemoryComparison compare_memory(const TrainingRow& row,
                                              const Cells& cells,
                                              const JobEstimate& estimate);

/// Errors per source of the rows that print a peak; how many runs that fitted are called infeasible
/// (of those with a time or a peak), and how many that did not are called feasible.
[[nodiscard]] nlohmann::ordered_json memory_json(const std::vector<ValidationRow>& rows);

}  // namespace forerun
