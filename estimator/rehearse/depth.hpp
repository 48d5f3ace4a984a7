// Models cut down in depth: what a rehearsal runs of those that are too large.
#pragma once

#include <cstdint>
#include <optional>

#include "estimator/step/memory.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// The job with the first `layers` of its model; all where it has fewer.
[[nodiscard]] Job with_depth(Job job, std::int64_t layers);

/// What the largest stage holds in tensors.
[[nodiscard]] Bytes tensor_memory(const Job& job);

/// The job, cut where it must be to as many layers (equally many a chunk) as fit into `memory`;
/// nothing when one layer a chunk is too much. Leading dense layers of a mixture of experts come
/// with at least one layer of experts.
[[nodiscard]] std::optional<Job> deepest_fitting(const Job& job, Bytes memory);

/// The smallest job of the kind, one layer a chunk.
[[nodiscard]] Job shallowest(const Job& job);

}  // namespace forerun
