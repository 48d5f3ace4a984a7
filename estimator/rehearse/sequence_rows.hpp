// Which tokens of a sequence lie on a rank of a context group.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/rehearse/initial_values.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// Rows that follow one another both on the rank and in the whole micro-batch; row = position *
/// sequences + sequence.
struct RowRun {
  std::int64_t local = 0;  ///< counted from the first of the rows asked for
  std::int64_t count = 0;
  std::int64_t global = 0;  ///< row of the whole micro-batch
};

/// Of the rank's rows [first, first + count). Rank r of c holds pieces r and 2c - 1 - r of 2c, so
/// that under a causal mask all work equally (the zig-zag order of ring attention's
/// implementations; Llama 3, arXiv 2407.21783, section 3.3.2). Without a context group all.
[[nodiscard]] std::vector<RowRun> row_runs(const Job& job,
                                           std::int64_t context_rank,
                                           std::int64_t first,
                                           std::int64_t count);

/// The rank's tokens and targets of a whole micro-batch.
[[nodiscard]] TokenBatch rows_of_rank(const Job& job,
                                      std::int64_t context_rank,
                                      const TokenBatch& whole);

}  // namespace forerun
