// A plan for people.
#pragma once

#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// `document`: what `to_json(const Plan&)` makes, with head and `elapsed_s`.
void print_plan(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
