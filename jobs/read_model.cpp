// Where a model is looked for: catalog, file, folder.
#include "jobs/read_model.hpp"

#include <algorithm>
#include <filesystem>
#include <span>

#include <fmt/format.h>

#include "jobs/config_fields.hpp"
#include "jobs/model_family.hpp"
#include "units/catalog_file.hpp"
#include "units/data_folder.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {

// Generated from jobs/catalog by cmake/embed_catalog.cmake.
std::span<const CatalogFile> catalog_model_files();

namespace {

std::filesystem::path config_path(const std::string& name, const std::string& option) {
  std::error_code ignored;
  std::filesystem::path path(name);
  if (std::filesystem::is_directory(path, ignored)) {
    std::filesystem::path inside = path / "config.json";
    if (!std::filesystem::exists(inside, ignored)) {
      throw InputError(name, "the folder holds no config.json");
    }
    return inside;
  }
  if (!std::filesystem::exists(path, ignored)) {
    throw InputError(option,
                     fmt::format("'{}' is neither a model of the catalog nor a file or folder; the "
                                 "nearest model of the catalog is '{}'",
                                 name,
                                 nearest(name, catalog_models())));
  }
  return path;
}

}  // namespace

ModelShape read_model_text(std::string_view text, const std::string& where) {
  const ConfigFields fields(text, where);
  ModelShape model = shape_from(fields);
  model.name = where;
  model.source = fields.word_or("forerun_source", where);
  return model;
}

ModelText model_text(const std::string& name, const std::string& option) {
  if (const auto own = own_catalog_file("models", name, ".json")) {
    return {text_of_file(*own, largest::config, "a config.json"), *own};
  }
  const auto files = catalog_model_files();
  const auto file = std::ranges::find(files, name, &CatalogFile::name);
  if (file != files.end()) {
    return {std::string(file->text), fmt::format("catalog/{}.json", name)};
  }
  const std::string path = config_path(name, option).string();
  return {text_of_file(path, largest::config, "a config.json"), path};
}

ModelShape read_model(const std::string& name, const std::string& option) {
  const ModelText found = model_text(name, option);
  ModelShape model = read_model_text(found.text, found.where);
  model.name = name;
  return model;
}

std::vector<std::string> catalog_models() {
  std::vector<std::string> names = own_catalog_names("models", ".json");
  for (const CatalogFile& file : catalog_model_files()) {
    names.emplace_back(file.name);
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace forerun
