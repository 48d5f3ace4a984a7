// The measured topology as JSON: the key "measured" of a profile's topology.
#pragma once

#include <optional>

#include <nlohmann/json_fwd.hpp>

#include "topologies/measured_topology.hpp"

namespace forerun {

[[nodiscard]] nlohmann::ordered_json to_json(const MeasuredTopology& topology);

/// What `to_json` wrote under `key`; nothing where the key is absent or null. Throws
/// nlohmann::json::exception, or InputError for numbers that no measurement gives.
[[nodiscard]] std::optional<MeasuredTopology> measured_topology_from(
    const nlohmann::ordered_json& object, const char* key);

}  // namespace forerun
