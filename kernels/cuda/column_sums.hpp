// How much scratch memory the column sums of weight gradients take.
#pragma once

#include <cstddef>
#include <cstdint>

namespace forerun::cuda {

/// Bytes of scratch for adding `sums` column sums of a rows x columns matrix.
[[nodiscard]] std::size_t column_sum_scratch_bytes(int sums,
                                                   std::int64_t rows,
                                                   std::int64_t columns);

}  // namespace forerun::cuda
