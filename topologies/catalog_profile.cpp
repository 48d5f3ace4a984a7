#include "topologies/catalog_profile.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {

std::optional<Likeness> read_likeness(const ClusterTable& keys) {
  const auto name = keys.optional_text("like");
  if (!name) {
    return std::nullopt;
  }
  const auto error = keys.optional_number("like_error", 0.0, 1.0);
  if (!error) {
    keys.fail("like", "'like' needs 'like_error' beside it: what taking the numbers over costs");
  }
  return Likeness{*name, *error, keys.text("like_source")};
}

std::string_view catalog_text(std::span<const CatalogFile> files,
                              std::string_view name,
                              const std::string& key) {
  const auto found = std::ranges::find(files, name, &CatalogFile::name);
  if (found != files.end()) {
    return found->text;
  }
  std::vector<std::string> known;
  for (const CatalogFile& file : files) {
    known.emplace_back(file.name);
  }
  throw InputError(key,
                   fmt::format("'{}' is not in the catalog: did you mean '{}'? Expected {}",
                               name,
                               nearest(name, known),
                               listed(known)));
}

double together(double error, double other) {
  return std::sqrt(error * error + other * other);
}

}  // namespace forerun
