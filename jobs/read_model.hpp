// A model shape from a Hugging Face config.json, its folder, or the catalog.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jobs/model_shape.hpp"

namespace forerun {

/// `name` is a catalog name, a config.json, or a folder that holds one. Throws InputError with
/// file and line for JSON that does not parse, a missing or wrong field, or an unknown model_type
/// (the known ones are listed); for an unknown name the nearest catalog name is given.
[[nodiscard]] ModelShape read_model(const std::string& name, const std::string& option = "--model");

/// What `read_model` reads, and where it found it. Throws as it does, but for what stands in the
/// text.
struct ModelText {
  std::string text;
  std::string where;
};

[[nodiscard]] ModelText model_text(const std::string& name, const std::string& option = "--model");

/// The same from text; `where` is the file's name in messages.
[[nodiscard]] ModelShape read_model_text(std::string_view text, const std::string& where);

[[nodiscard]] std::vector<std::string> catalog_models();

}  // namespace forerun
