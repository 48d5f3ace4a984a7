// Times of products from a catalog table, ready to be looked up.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "topologies/device_profile.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Sizes of a product; rows m above 128 are priced as whole tiles of 128.
struct ProductSizes {
  std::int64_t m = 1;
  std::int64_t n = 1;
  std::int64_t k = 1;
};

/// The table's times at half octaves of m, n and k, linear in between in the logarithms of time
/// and sizes. Three laws hold for every size from 1 upward: a larger product is never faster (but
/// for rows inside one tile, which cost alike; where the fit said otherwise both times are
/// moved half way), no rate is above the peak, every time is finite and positive. Below 1 x 64 x 64
/// a product costs what that one costs; above 131,072 rows or 262,144 columns the rate is held.
class GemmLattice {
 public:
  GemmLattice(const GemmTable& table, FlopsPerSecond peak, BytesPerSecond memory_bandwidth);

  [[nodiscard]] Seconds time(const ProductSizes& sizes) const;

  /// Of many equal products in one launch, `bytes` read and written in all: `all` is what they
  /// would be as one product.
  [[nodiscard]] Seconds grouped_time(const ProductSizes& all, Bytes bytes) const;

  /// Of bytes that nothing else hides, at the rate at which one-row products stream their weights.
  [[nodiscard]] Seconds streaming_time(Bytes bytes) const;

  /// What quantising the m x k operand took in the timings that the table was fitted to.
  [[nodiscard]] Seconds quantise_time(const ProductSizes& sizes) const;

 private:
  struct Axis {
    int first = 0;  ///< of the lattice, in half octaves: log2 of the smallest size, doubled
    int count = 0;
    std::size_t stride = 0;
  };

  struct Place {
    std::size_t corner = 0;
    double share = 0.0;   ///< towards the next corner
    double beyond = 1.0;  ///< size over the lattice's largest
  };

  static Place place_of(const Axis& axis, double size);
  void fill(const GemmTable& table, double peak);
  void make_monotone();

  double launch_s_ = 0.0;
  double bytes_per_s_ = 0.0;
  double quantise_launch_s_ = 0.0;
  double quantise_bytes_per_element_ = 0.0;
  double flop_per_s_ = 0.0;
  double operand_bytes_ = 0.0;
  std::array<Axis, 3> axes_;
  std::vector<double> log2_seconds_;
};

}  // namespace forerun
