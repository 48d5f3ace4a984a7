#include "estimator/capacity/serving_format.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "units/nvfp4.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr auto names = std::to_array<std::pair<ServingPrecision, std::string_view>>({
    {ServingPrecision::bf16, "bf16"},
    {ServingPrecision::fp16, "fp16"},
    {ServingPrecision::fp32, "fp32"},
    {ServingPrecision::fp8, "fp8"},
    {ServingPrecision::mxfp8, "mxfp8"},
    {ServingPrecision::nvfp4, "nvfp4"},
    {ServingPrecision::int8, "int8"},
    {ServingPrecision::int4, "int4"},
});

}  // namespace

Bytes size_of(ServingPrecision precision) {
  switch (precision) {
    case ServingPrecision::bf16:
    case ServingPrecision::fp16:
      return 2.0 * unit::byte;
    case ServingPrecision::fp32:
      return 4.0 * unit::byte;
    case ServingPrecision::fp8:
    case ServingPrecision::int8:
      return unit::byte;
    case ServingPrecision::mxfp8:
      return (1.0 + 1.0 / 32.0) * unit::byte;
    case ServingPrecision::nvfp4:
      return nvfp4_element_bytes * unit::byte;
    case ServingPrecision::int4:
      return (0.5 + 2.0 / 128.0) * unit::byte;
  }
  return {};
}

DataType product_type(ServingPrecision precision) {
  switch (precision) {
    case ServingPrecision::fp8:
    case ServingPrecision::mxfp8:
    case ServingPrecision::nvfp4:
      return DataType::fp8_e4m3;
    default:
      return activation_type(precision);
  }
}

DataType activation_type(ServingPrecision precision) {
  switch (precision) {
    case ServingPrecision::fp32:
      return DataType::fp32;
    case ServingPrecision::fp16:
      return DataType::fp16;
    default:
      return DataType::bf16;
  }
}

DataType cache_type(ServingPrecision precision) {
  switch (precision) {
    case ServingPrecision::fp8:
    case ServingPrecision::mxfp8:
    case ServingPrecision::nvfp4:
      return DataType::fp8_e4m3;
    case ServingPrecision::int8:
    case ServingPrecision::int4:
      return DataType::uint8;
    default:
      return activation_type(precision);
  }
}

ServingPrecision default_cache(ServingPrecision weights) {
  switch (weights) {
    case ServingPrecision::fp8:
    case ServingPrecision::mxfp8:
    case ServingPrecision::nvfp4:
      return ServingPrecision::fp8;
    case ServingPrecision::int8:
    case ServingPrecision::int4:
      return ServingPrecision::bf16;
    default:
      return weights;
  }
}

std::string_view name_of(ServingPrecision precision) {
  const auto* const found =
      std::ranges::find(names, precision, &decltype(names)::value_type::first);
  return found->second;
}

std::optional<ServingPrecision> serving_precision_from(std::string_view name) {
  const auto* const found = std::ranges::find(names, name, &decltype(names)::value_type::second);
  return found == names.end() ? std::nullopt : std::optional(found->first);
}

}  // namespace forerun
