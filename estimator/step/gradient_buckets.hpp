// How gradients are cut into buckets that are reduced one by one while the backward pass goes on.
#pragma once

#include <cstdint>
#include <vector>

namespace forerun {

/// A run of elements of the flat buffers.
struct FlatRange {
  std::int64_t first = 0;
  std::int64_t elements = 0;
};

/// Megatron's default: a bucket of `ranks` data-parallel ranks holds max(40e6, 1e6 ranks)
/// parameters (modelling.md 2.5).
[[nodiscard]] double bucket_count(double parameters, std::int64_t ranks);

/// `whole`, cut into `count` runs that differ by at most one `grain`, of which `whole` holds a
/// whole number: the last run of the buffer first, whose gradients are complete first. Fewer where
/// there are fewer grains.
[[nodiscard]] std::vector<FlatRange> flat_buckets(const FlatRange& whole,
                                                  std::int64_t count,
                                                  std::int64_t grain);

}  // namespace forerun
