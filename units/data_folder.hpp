// Catalog files on disk, laid over the ones that are compiled in: a user's own in the folder that
// FORERUN_DATA names, then those installed with the program, in share/forerun beside its bin.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// The folders that are searched, the first first; InputError where FORERUN_DATA names none.
[[nodiscard]] std::vector<std::filesystem::path> data_folders();

/// FOLDER/`kind`/`name``extension` in the first folder that has it: kind "models" with ".json",
/// "clusters" with ".toml". A name with a slash is a path, not of the catalog.
[[nodiscard]] std::optional<std::string> own_catalog_file(std::string_view kind,
                                                          std::string_view name,
                                                          std::string_view extension);

/// The names that `kind` holds in any of the folders, sorted, each once.
[[nodiscard]] std::vector<std::string> own_catalog_names(std::string_view kind,
                                                         std::string_view extension);

}  // namespace forerun
