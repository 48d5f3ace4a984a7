// The number formats that a model is served in: of weights, of the cache, of the products.
#pragma once

#include <optional>
#include <string_view>

#include "units/data_type.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// int8 and int4 are of weights alone, which kernels widen to 16 bits before they multiply
/// (W8A16, W4A16); fp8, mxfp8 and nvfp4 products read both operands in the format.
enum class ServingPrecision { bf16, fp16, fp32, fp8, mxfp8, nvfp4, int8, int4 };

struct ServingFormat {
  ServingPrecision weights = ServingPrecision::bf16;
  ServingPrecision cache = ServingPrecision::bf16;  ///< keys and values: 8, 16 or 32 bits
};

/// Storage of one weight with its share of the scales: mxfp8 one byte for 32 (OCP MX 1.0), nvfp4
/// one for 16, int4 two for 128 (GPTQ and AWQ at group size 128), the others per tensor or channel.
[[nodiscard]] Bytes size_of(ServingPrecision precision);

/// The format whose products are priced: int8 and int4 widen to bf16, mxfp8 and nvfp4 stand on fp8.
[[nodiscard]] DataType product_type(ServingPrecision precision);

/// The format of what is between products, of embedding and head, of states: 16 bits, or fp32.
[[nodiscard]] DataType activation_type(ServingPrecision precision);

/// The format of a cache's elements as kernel keys name it.
[[nodiscard]] DataType cache_type(ServingPrecision precision);

/// fp8 for fp8, mxfp8 and nvfp4 (as vLLM's and TensorRT-LLM's fp8 recipes quantise both), else the
/// activations' format.
[[nodiscard]] ServingPrecision default_cache(ServingPrecision weights);

[[nodiscard]] std::string_view name_of(ServingPrecision precision);
[[nodiscard]] std::optional<ServingPrecision> serving_precision_from(std::string_view name);

}  // namespace forerun
