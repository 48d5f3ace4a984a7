// Which measured kernels can stand for each other, and how far apart two of them are.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

#include "kernels/kernel_key.hpp"

namespace forerun {

/// Same operation, number format and flags: keys that differ in sizes only.
struct KernelFamily {
  KernelOp op = KernelOp::copy;
  DataType type = DataType::bf16;
  int flags = 0;  ///< layout and output of a product, mask of an attention
  friend auto operator<=>(const KernelFamily&, const KernelFamily&) = default;
};

[[nodiscard]] KernelFamily family_of(const KernelKey& key);

/// No shape has more numbers than attention.
inline constexpr std::size_t most_sizes = 10;

/// A key as a point: natural logarithms of its sizes, and whether its rows fill whole tiles.
///
/// The first size (rows m of a product) counts twice, because neighbouring m on the same weights
/// run the same tiles; m that is no multiple of 128 is one unit away from one that is, because its
/// last tile is partly idle (modelling.md 10.5: tile quantisation). Both choices were made by
/// leaving one model out on the public A100 and H100 tables of single kernels: without the second,
/// 5.4 % and 7.5 % mean error instead of 4.2 % and 5.5 %.
struct KernelPoint {
  std::array<double, most_sizes + 1> at{};
  friend bool operator==(const KernelPoint&, const KernelPoint&) = default;
};

[[nodiscard]] KernelPoint point_of(const KernelKey& key);
[[nodiscard]] double distance(const KernelPoint& a, const KernelPoint& b);

}  // namespace forerun
