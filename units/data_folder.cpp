#include "units/data_folder.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "units/input_error.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

/// PREFIX/share/forerun of the program that runs from PREFIX/bin; nothing where /proc is not there.
std::optional<fs::path> installed_folder() {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (failed) {
    return std::nullopt;
  }
  return program.parent_path().parent_path() / "share" / "forerun";
}

}  // namespace

std::vector<fs::path> data_folders() {
  std::vector<fs::path> folders;
  const char* const own = std::getenv("FORERUN_DATA");  // NOLINT(concurrency-mt-unsafe)
  if (own != nullptr && *own != '\0') {
    std::error_code ignored;
    if (!fs::is_directory(own, ignored)) {
      throw InputError("FORERUN_DATA", "'" + std::string(own) + "' is not a folder");
    }
    folders.emplace_back(own);
  }
  if (const auto installed = installed_folder()) {
    folders.push_back(*installed);
  }
  return folders;
}

std::optional<std::string> own_catalog_file(std::string_view kind,
                                            std::string_view name,
                                            std::string_view extension) {
  if (name.empty() || name.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string file = std::string(name) + std::string(extension);
  for (const fs::path& folder : data_folders()) {
    fs::path path = folder / kind / file;
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) {
      return path.string();
    }
  }
  return std::nullopt;
}

std::vector<std::string> own_catalog_names(std::string_view kind, std::string_view extension) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::path& folder : data_folders()) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder / kind, ignored)) {
      if (entry.path().extension() == extension) {
        names.push_back(entry.path().stem().string());
      }
    }
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace forerun
