// At which sizes a collective is measured: powers of two, and between them where it bends.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "units/quantity.hpp"

namespace forerun {

/// `bytes` rounded down to a multiple of `granule`, at least one.
[[nodiscard]] std::int64_t whole_granules(std::int64_t bytes, std::int64_t granule);

/// Powers of two from `smallest` to `largest`, both included, in whole granules, ascending.
[[nodiscard]] std::vector<std::int64_t> powers_of_two(std::int64_t smallest,
                                                      std::int64_t largest,
                                                      std::int64_t granule);

/// One measured size of a curve.
struct MeasuredSize {
  std::int64_t bytes = 0;
  Seconds median;
  Seconds half_width;  ///< of the median's 95 % interval
};

/// New sizes, in whole granules, beside the points that their neighbours do not predict: where the
/// log-log line through both neighbours misses the point by more than `tolerance` and by more than
/// the three intervals explain. The middle, on the logarithmic scale, of both gaps beside such a
/// point; gaps below a factor of 2^(1/4) stay. `points` ascend in size.
[[nodiscard]] std::vector<std::int64_t> sizes_to_refine(std::span<const MeasuredSize> points,
                                                        double tolerance,
                                                        std::int64_t granule);

}  // namespace forerun
