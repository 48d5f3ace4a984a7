// What kernels are told besides their operands, where it depends on the rank.
#pragma once

#include <cstdint>

#include "jobs/job.hpp"
#include "kernels/operands.hpp"

namespace forerun {

/// Of the kernel `key` on tensor rank `tensor_rank` in optimizer step `step` (from 0). Positions
/// are those of the first row of the whole sequence or of its tensor shard (`row_runs` for others).
[[nodiscard]] KernelScalars scalars_of(const Job& job,
                                       std::int64_t tensor_rank,
                                       std::int64_t step,
                                       const KernelKey& key);

/// The first of a sequence's rows on this tensor rank, which works on so many: on all of them, or
/// on its shard.
[[nodiscard]] std::int64_t first_row(const Job& job, std::int64_t tensor_rank, std::int64_t rows);
/// The first row of a position table's work that this tensor rank holds: of its shard of the
/// sequence, where the rows are one.
[[nodiscard]] std::int64_t first_row(const Job& job,
                                     std::int64_t tensor_rank,
                                     const KernelKey& key);

}  // namespace forerun
