// From the fields of a Hugging Face config.json to a model shape, one reader for each family.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/config_fields.hpp"
#include "jobs/model_shape.hpp"

namespace forerun {

/// Of one model: lists are made of one entry a layer.
constexpr std::int64_t most_layers = 10'000;

/// The shape without name and source. A field that is left out has the default of the family's
/// configuration class in Hugging Face transformers 4.5x; layers, widths, heads, vocabulary and the
/// experts per token of deepseek_v2 have none here. Throws InputError for a wrong field, sizes that
/// contradict one another, a shape that ModelShape cannot hold, or an unknown model_type.
[[nodiscard]] ModelShape shape_from(const ConfigFields& fields);

/// Counts are kept in 64-bit integers: why sizes of up to 10^9 each are too large together. Nothing
/// where they are not.
[[nodiscard]] std::optional<std::string> uncountable_because(const ModelShape& model);

/// The known values of model_type.
[[nodiscard]] std::vector<std::string> model_families();

}  // namespace forerun
