// A cluster from a TOML file that people write, or from the catalog.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "topologies/cluster.hpp"

namespace forerun {

/// `name` is a catalog name or a .toml file. Throws InputError with file and line (and column) for
/// text that does not parse, a missing, unknown (nearest known named) or ill-typed key, or a number
/// without its unit; for an unknown name the nearest catalog name is given.
[[nodiscard]] Cluster read_cluster(const std::string& name);

/// The same from text; `where` is the file's name in messages.
[[nodiscard]] Cluster read_cluster_text(std::string_view text, const std::string& where);

[[nodiscard]] std::vector<std::string> catalog_clusters();

}  // namespace forerun
