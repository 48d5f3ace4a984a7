// The verb `show`: what is known, with its sources.
#pragma once

#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

#include "estimator/cli/options.hpp"

namespace forerun {

/// The models and clusters that the options name; the whole catalog when they name none.
[[nodiscard]] nlohmann::ordered_json show(const Options& options);

void print_show(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
