// The matrix products of attention that stores its scores, as batches of products that a library
// multiplies at once. Pure: nothing here needs a GPU.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_key.hpp"

namespace forerun::cuda {

/// A matrix of every product of a batch: rows lie `row` elements apart, the matrices `step`.
struct BatchMatrix {
  std::int64_t row = 0;
  std::int64_t step = 0;
  friend auto operator<=>(const BatchMatrix&, const BatchMatrix&) = default;
};

/// `count` row-major products C[m x n] = op(A) op(B), as GemmShape says.
struct BatchShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  GemmLayout layout = GemmLayout::nt;
  std::int64_t count = 0;
  BatchMatrix a = {};
  BatchMatrix b = {};
  BatchMatrix c = {};
  friend auto operator<=>(const BatchShape&, const BatchShape&) = default;
};

/// Where a matrix of the first product starts.
struct Place {
  std::size_t operand = 0;  ///< of the key's operand list
  std::int64_t element = 0;
};

struct ProductBatch {
  BatchShape shape;
  Place a;
  Place b;
  Place c;
  bool adds = false;  ///< to what C holds: the later query heads of a group, for its keys or values
};

/// The products of scores_forward, context_forward, context_backward and scores_backward, in the
/// order in which they run; empty for other operations. A batch runs over sequences or over
/// key-value heads, whichever are more: the other dimension and the heads of a group are batches of
/// their own, because packed rows have no one step for all.
[[nodiscard]] std::vector<ProductBatch> head_products(const KernelKey& key);

}  // namespace forerun::cuda
