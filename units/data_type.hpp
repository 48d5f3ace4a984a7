// The number formats in which tensors are stored and moved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "units/quantity.hpp"

namespace forerun {

enum class DataType { bf16, fp16, fp32, fp8_e4m3, fp8_e5m2, int32, uint8 };

/// Storage of one element.
[[nodiscard]] Bytes size_of(DataType type);
/// The same as a number of bytes, for addresses.
[[nodiscard]] std::size_t element_bytes(DataType type);
/// Of so many elements, as keys of collectives count them.
[[nodiscard]] std::int64_t bytes_of(std::int64_t elements, DataType type);

[[nodiscard]] constexpr bool is_fp8(DataType type) {
  return type == DataType::fp8_e4m3 || type == DataType::fp8_e5m2;
}

/// The field's spelling: "bf16", "fp16", "fp32", "fp8_e4m3", "fp8_e5m2", "int32",
/// "uint8".
[[nodiscard]] std::string_view name_of(DataType type);
[[nodiscard]] std::optional<DataType> data_type_from(std::string_view name);

}  // namespace forerun
