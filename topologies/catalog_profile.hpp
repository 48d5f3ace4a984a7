// How files of fitted numbers in the catalog are found and stand in for each other.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "topologies/cluster_table.hpp"
#include "units/catalog_file.hpp"

namespace forerun {

/// Another file of the same kind whose sections stand for those that a file lacks.
struct Likeness {
  std::string name;
  double error = 0.0;  ///< relative, of taking the other's numbers over
  std::string source;
};

/// `like`, `like_error` and `like_source`: all three or none.
[[nodiscard]] std::optional<Likeness> read_likeness(const ClusterTable& keys);

/// The text of the file of that name. Throws InputError naming `key` and the nearest known one.
[[nodiscard]] std::string_view catalog_text(std::span<const CatalogFile> files,
                                            std::string_view name,
                                            const std::string& key);

/// Errors of two independent causes together.
[[nodiscard]] double together(double error, double other);

}  // namespace forerun
