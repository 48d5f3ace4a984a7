#include "units/data_folder.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace forerun {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> own_folder(std::string_view kind) {
  const char* const folder = std::getenv("FORERUN_DATA");  // NOLINT(concurrency-mt-unsafe)
  if (folder == nullptr || *folder == '\0') {
    return std::nullopt;
  }
  return fs::path(folder) / kind;
}

}  // namespace

std::optional<std::string> own_catalog_file(std::string_view kind,
                                            std::string_view name,
                                            std::string_view extension) {
  const auto folder = own_folder(kind);
  if (!folder || name.empty() || name.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  const fs::path file = *folder / (std::string(name) + std::string(extension));
  std::error_code ignored;
  return fs::is_regular_file(file, ignored) ? std::optional(file.string()) : std::nullopt;
}

std::vector<std::string> own_catalog_names(std::string_view kind, std::string_view extension) {
  std::vector<std::string> names;
  std::error_code ignored;
  if (const auto folder = own_folder(kind)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(*folder, ignored)) {
      if (entry.path().extension() == extension) {
        names.push_back(entry.path().stem().string());
      }
    }
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace forerun
