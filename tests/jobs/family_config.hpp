// A config.json of a family, and what is read from it.
#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "jobs/model_family.hpp"
#include "tests/jobs/input_error_text.hpp"

namespace forerun {

/// Of the sizes that a family requires, those that its tests choose.
struct ConfigSizes {
  std::int64_t hidden = 96;
  std::int64_t layers = 4;
};

/// The five sizes that every family but gpt2 requires, and more fields.
[[nodiscard]] inline std::string config_of(const ConfigSizes& sizes,
                                           const std::string& model_type,
                                           const std::string& more = "") {
  return fmt::format(
      R"({{"hidden_size": {}, "intermediate_size": 200, "num_hidden_layers": {},
"num_attention_heads": 16, "vocab_size": 1000, "model_type": "{}"{}{}}})",
      sizes.hidden,
      sizes.layers,
      model_type,
      more.empty() ? "" : ",\n",
      more);
}

[[nodiscard]] inline ModelShape shape_of(const std::string& config) {
  return shape_from(ConfigFields(config, "config.json"));
}

/// What is wrong with a config.
[[nodiscard]] inline std::string config_error(const std::string& config) {
  return error_text([&] { (void)shape_of(config); });
}

}  // namespace forerun
