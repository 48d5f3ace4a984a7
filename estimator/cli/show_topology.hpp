// `show topology FILE`: the levels of links of a profile as a tree, and its ranks as a matrix.
#pragma once

#include <iosfwd>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// Hosts, what was discovered on the node of rank 0, the levels, and one matrix each of latency and
/// bandwidth between ranks (null where a pair was not measured). `measured` is null for a profile
/// of one rank. Throws InputError for what is no profile.
[[nodiscard]] nlohmann::ordered_json topology_document(const std::string& path);

/// A tree of the levels, outermost first, then the matrix: numbers up to 16 ranks, one sign a pair
/// up to 64, and only the tree beyond.
void print_topology(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
