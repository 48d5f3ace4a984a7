#include "units/data_type.hpp"

#include <array>
#include <utility>

#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr auto names = std::to_array<std::pair<DataType, std::string_view>>({
    {DataType::bf16, "bf16"},
    {DataType::fp16, "fp16"},
    {DataType::fp32, "fp32"},
    {DataType::fp8_e4m3, "fp8_e4m3"},
    {DataType::fp8_e5m2, "fp8_e5m2"},
    {DataType::int32, "int32"},
});

}  // namespace

Bytes size_of(DataType type) {
  switch (type) {
    case DataType::bf16:
    case DataType::fp16:
      return 2.0 * unit::byte;
    case DataType::fp32:
    case DataType::int32:
      return 4.0 * unit::byte;
    case DataType::fp8_e4m3:
    case DataType::fp8_e5m2:
      return 1.0 * unit::byte;
  }
  return {};
}

std::string_view name_of(DataType type) {
  for (const auto& [value, name] : names) {
    if (value == type) {
      return name;
    }
  }
  return {};
}

std::optional<DataType> data_type_from(std::string_view name) {
  for (const auto& [value, known] : names) {
    if (known == name) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace forerun
