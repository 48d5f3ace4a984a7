// Weights and tokens as pure functions of their place in the whole model: every split of a job
// starts from the same numbers and reads the same batch.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/stage_weights.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// The local shard of a weight in fp32, row-major. Matrices are uniform with standard deviation
/// 0.02, norms are one, biases zero; rows of padding vocabulary are zero.
[[nodiscard]] std::vector<float> initial_weight(const WeightSpec& spec,
                                                const Job& job,
                                                const WeightPart& part,
                                                std::uint64_t seed);

/// One micro-batch of token ids and of the ids that follow them, in (position, sequence) order.
struct TokenBatch {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;
};

/// `micro_batch` counts over all data-parallel ranks: 0 .. global_batch / micro_batch - 1.
[[nodiscard]] TokenBatch token_batch(const Job& job,
                                     std::int64_t step,
                                     std::int64_t micro_batch,
                                     std::uint64_t seed);

}  // namespace forerun
