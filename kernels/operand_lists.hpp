// The operand lists that have a file of their own, and the words that all lists are written in.
#pragma once

#include <vector>

#include "kernels/operands.hpp"

namespace forerun {

namespace operand_words {
inline constexpr DataType fp32 = DataType::fp32;
inline constexpr Access read = Access::read;
inline constexpr Access write = Access::write;
inline constexpr Access update = Access::read_write;
}  // namespace operand_words

[[nodiscard]] std::vector<Operand> list_unfused_attention_operands(const KernelKey& key,
                                                                   const AttentionKeyShape& s);
[[nodiscard]] std::vector<Operand> list_dropout_operands(const KernelKey& key, const RowsShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const RouterShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const PermuteShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const ConvShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const SsdShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const ScanShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const DeltaShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const GroupedRowsShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const ColumnsShape& s);
[[nodiscard]] std::vector<Operand> list_operands(const KernelKey& key, const LatentHeadsShape& s);
[[nodiscard]] std::vector<Operand> list_gate_operands(const KernelKey& key, const RowsShape& s);

}  // namespace forerun
