// The number formats in which tensors are stored and moved.
#pragma once

#include <optional>
#include <string_view>

#include "units/quantity.hpp"

namespace forerun {

enum class DataType { bf16, fp16, fp32, fp8_e4m3, fp8_e5m2, int32 };

/// Storage of one element.
[[nodiscard]] Bytes size_of(DataType type);

/// The field's spelling: "bf16", "fp16", "fp32", "fp8_e4m3", "fp8_e5m2", "int32".
[[nodiscard]] std::string_view name_of(DataType type);
[[nodiscard]] std::optional<DataType> data_type_from(std::string_view name);

}  // namespace forerun
