// When a pipeline ends, by formula, where the formula is what the events come to.
#pragma once

#include <optional>

#include "estimator/step/pipeline_simulation.hpp"

namespace forerun {

/// The makespan of `simulate_pipeline` to rounding, without its events; nothing where no such
/// formula is known. With F, B of a stage, c of a message, p stages, v chunks a stage, m
/// micro-batches:
/// - gpipe, and breadth-first with one chunk: any costs. Two flow shops of equal jobs, one after
/// the
///   other: sum of F and c + (m - 1) times the slowest of them, and the same for B.
/// - 1f1b: equal stages and equal messages that overlap and are not longer than F or B:
///   (m + p - 1)(F + B) + 2c [(p - 1) + (m - 1) - ceil((m - 1) / p)]. The last bracket counts the
///   hops of the longest path, which turns as rarely as it can: once every p micro-batches.
/// - interleaved where p divides m, breadth-first where m >= p: equal chunks, messages that cost
///   nothing: (m v + p - 1)(F + B) / v with F and B of all chunks of a stage.
/// A property test compares each with the events.
[[nodiscard]] std::optional<Seconds> closed_makespan(Schedule schedule,
                                                     const PipelineShape& shape,
                                                     const PipelineCosts& costs);

}  // namespace forerun
