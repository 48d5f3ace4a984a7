#include "estimator/rehearse/sequence_rows.hpp"

#include <algorithm>
#include <array>

namespace forerun {

std::vector<RowRun> row_runs(const Job& job,
                             std::int64_t context_rank,
                             std::int64_t first,
                             std::int64_t count) {
  const std::int64_t ranks = job.layout.context;
  if (ranks == 1) {
    return {{0, count, first}};
  }
  const std::int64_t piece = job.recipe.sequence / (2 * ranks) * job.recipe.micro_batch;
  const std::array<std::int64_t, 2> pieces{context_rank, 2 * ranks - 1 - context_rank};
  std::vector<RowRun> runs;
  for (std::int64_t i = 0; i < 2; ++i) {
    const std::int64_t from = std::max(first, i * piece);
    const std::int64_t to = std::min(first + count, (i + 1) * piece);
    if (from < to) {
      runs.push_back({from - first,
                      to - from,
                      pieces.at(static_cast<std::size_t>(i)) * piece + from - i * piece});
    }
  }
  return runs;
}

TokenBatch rows_of_rank(const Job& job, std::int64_t context_rank, const TokenBatch& whole) {
  const std::int64_t rows = std::ssize(whole.tokens) / job.layout.context;
  TokenBatch part;
  for (const RowRun& run : row_runs(job, context_rank, 0, rows)) {
    const auto append = [&](const std::vector<std::int32_t>& from, std::vector<std::int32_t>& to) {
      to.insert(to.end(), from.begin() + run.global, from.begin() + run.global + run.count);
    };
    append(whole.tokens, part.tokens);
    append(whole.targets, part.targets);
  }
  return part;
}

}  // namespace forerun
