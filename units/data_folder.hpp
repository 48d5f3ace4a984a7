// A user's own catalog, laid over the one that is compiled in: the folder that FORERUN_DATA names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// $FORERUN_DATA/`kind`/`name``extension`, where it exists: kind "models" with ".json", "clusters"
/// with ".toml". A name with a slash is a path, not of the catalog.
[[nodiscard]] std::optional<std::string> own_catalog_file(std::string_view kind,
                                                          std::string_view name,
                                                          std::string_view extension);

/// The names that $FORERUN_DATA/`kind` holds, sorted; empty without the variable or the folder.
[[nodiscard]] std::vector<std::string> own_catalog_names(std::string_view kind,
                                                         std::string_view extension);

}  // namespace forerun
