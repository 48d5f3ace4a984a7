// The document of `estimate` as a table for people.
#pragma once

#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

void print_estimate(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
