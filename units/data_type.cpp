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
    {DataType::uint8, "uint8"},
});

}  // namespace

std::size_t element_bytes(DataType type) {
  switch (type) {
    case DataType::bf16:
    case DataType::fp16:
      return 2;
    case DataType::fp32:
    case DataType::int32:
      return 4;
    case DataType::fp8_e4m3:
    case DataType::fp8_e5m2:
    case DataType::uint8:
      return 1;
  }
  return 0;
}

std::int64_t bytes_of(std::int64_t elements, DataType type) {
  return elements * static_cast<std::int64_t>(element_bytes(type));
}

Bytes size_of(DataType type) {
  return static_cast<double>(element_bytes(type)) * unit::byte;
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
