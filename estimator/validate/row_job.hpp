// A row of published runs as a job on hardware.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "estimator/estimate/hardware_source.hpp"
#include "estimator/step/part_cost.hpp"
#include "estimator/validate/training_table.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// How much of a step the published time covers.
enum class Covers { step, forward_backward };

struct RowJob {
  Job job;
  std::string hardware_key;  ///< equal for rows on the same hardware
  Covers covers = Covers::step;
  std::optional<Overlap> overlap;      ///< where the row states it
  bool open_micro_batch = false;       ///< not published: the best one that fits
  bool open_virtual_pipeline = false;  ///< likewise
  bool open_recompute = false;         ///< how many layers is not published: as few as fit
  bool recomputes_to_run = false;      ///< the same, but none unless it could not have run so
  std::vector<std::string> assumed;    ///< columns that the row's own cells decided only by rule
};

/// From filled cells (BlankTable::fill). Throws InputError, naming the column, for what is absent,
/// senseless, or not known to this build.
[[nodiscard]] RowJob job_of_row(const Cells& cells);

/// The cluster of the catalog that the row's device stands for, with the network and the memory
/// that its cells give. Throws InputError.
[[nodiscard]] HardwareSource hardware_of_row(const Cells& cells);

/// The shape alone: sizes from the cells, structure from their `family`.
[[nodiscard]] ModelShape model_of_row(const Cells& cells);

}  // namespace forerun
