// The parts of the reference, by kind of shape.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/kernels/reference.hpp"

namespace forerun {

struct ReferenceCall {
  KernelOp op;
  DataType type;  ///< a sum that is stored in bf16 and read back is rounded
  const KernelScalars& scalars;
  ReferenceOperands& operands;

  [[nodiscard]] std::vector<double>& at(std::size_t index) const { return operands[index]; }
};

/// An index as a subscript.
[[nodiscard]] constexpr std::size_t place(std::int64_t index) {
  return static_cast<std::size_t>(index);
}

[[nodiscard]] inline double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

/// Whether the mask lets a query see a key: written out once more, apart from what the kernels ask.
[[nodiscard]] inline bool reference_sees(const AttentionKeyShape& shape,
                                         std::int64_t query,
                                         std::int64_t key) {
  const std::int64_t ahead = key - (query + shape.offset);  // of the query's own position
  const bool is_hidden = shape.mask == Mask::causal && ahead > 0;
  const bool is_forgotten = shape.window > 0 && -ahead >= shape.window;
  return !is_hidden && !is_forgotten;
}

/// The kernels that only some frameworks launch; false for others.
void reference_stored_attention(const ReferenceCall& call, const AttentionKeyShape& shape);
[[nodiscard]] bool reference_framework_rows(const ReferenceCall& call, const RowsShape& shape);
[[nodiscard]] bool reference_gradient_array(const ReferenceCall& call);

void reference(const ReferenceCall& call, const GemmShape& shape);
void reference(const ReferenceCall& call, const AttentionKeyShape& shape);
void reference(const ReferenceCall& call, const RowsShape& shape);
void reference(const ReferenceCall& call, const HeadsShape& shape);
void reference(const ReferenceCall& call, const TableShape& shape);
void reference(const ReferenceCall& call, const FlatShape& shape);
void reference(const ReferenceCall& call, const GroupedGemmShape& shape);
void reference(const ReferenceCall& call, const RouterShape& shape);
void reference(const ReferenceCall& call, const PermuteShape& shape);
void reference(const ReferenceCall& call, const DecodeShape& shape);
void reference(const ReferenceCall& call, const ConvShape& shape);
void reference(const ReferenceCall& call, const SsdShape& shape);
void reference(const ReferenceCall& call, const ScanShape& shape);
void reference(const ReferenceCall& call, const GroupedRowsShape& shape);
void reference(const ReferenceCall& call, const ColumnsShape& shape);
void reference(const ReferenceCall& call, const LatentHeadsShape& shape);
void reference(const ReferenceCall& call, const DeltaShape& shape);
[[nodiscard]] bool reference_gate(const ReferenceCall& call, const RowsShape& shape);

}  // namespace forerun
