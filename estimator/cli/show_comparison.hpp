// `show --compare OLD NEW`: what has become slower, for a nightly check.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// `names`: two profiles, the older first; or a profile and what it should be like: a cluster file,
/// a catalog name, or "catalog" for the catalog's cluster of the profile's device. Key `slower`
/// counts what is slower. Throws InputError.
[[nodiscard]] nlohmann::ordered_json comparison_document(const std::vector<std::string>& names,
                                                         double tolerance);

void print_comparison(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
