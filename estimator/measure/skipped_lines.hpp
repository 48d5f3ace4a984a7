// What a measurement left out, for people: the first of it, and how much more there is.
#pragma once

#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// `skipped` is the list of that name in a profile, which has all of it. A line each.
void print_skipped(const nlohmann::ordered_json& skipped, std::ostream& out);

}  // namespace forerun
