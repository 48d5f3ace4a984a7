// The adapters of a frozen weight, as one rank holds them.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/stage_weights.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// One pair of matrices, A[rank x in] and B[out x rank], beside W or beside the rows of W that
/// belong to one of q, k, v, gate and up.
struct AdapterPiece {
  std::int8_t piece = 0;
  std::int64_t in = 0;   ///< local
  std::int64_t out = 0;  ///< local
};

/// Of a weight that is not a target: none.
[[nodiscard]] std::vector<AdapterPiece> adapter_pieces(const Job& job, const WeightSpec& weight);

/// A and B. Beside a matrix that is split by rows, A is replicated and B split; by columns, A is
/// split and B replicated: what the adapter adds is a partial sum where the product is one, and
/// costs no collective of its own.
[[nodiscard]] std::vector<WeightSpec> adapter_weights(const Job& job,
                                                      const WeightSpec& weight,
                                                      const AdapterPiece& piece);

}  // namespace forerun
