// The timeline of a step as Chrome trace events, which Perfetto and chrome://tracing open.
#pragma once

#include <span>

#include <nlohmann/json_fwd.hpp>

#include "estimator/step/step_timeline.hpp"

namespace forerun {

/// One process a stage, one named thread a stream, one complete event ("ph": "X") a slice, times in
/// microseconds. Passes are named F, B (whole backward), I (its input part) and W (its weight part)
/// with micro-batch and, where a stage holds several, chunk: "F3", "W3.1"; messages "send F3";
/// pairs "F3.0 + B1.1". Times are rounded to whole nanoseconds, so that rows that do not overlap
/// here do not overlap in what is read.
[[nodiscard]] nlohmann::ordered_json trace_json(std::span<const TimelineSlice> slices,
                                                const PipelineShape& shape);

}  // namespace forerun
