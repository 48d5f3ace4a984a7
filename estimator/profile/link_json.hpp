// Links between the devices of a node, in a profile.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "topologies/device_link.hpp"

namespace forerun {

/// An array of {first, second, path, nvlinks, peer_access, performance_rank}; what is not known is
/// null.
[[nodiscard]] nlohmann::ordered_json links_json(const std::vector<DeviceLink>& links);
[[nodiscard]] std::vector<DeviceLink> links_from(const nlohmann::ordered_json& array);

}  // namespace forerun
