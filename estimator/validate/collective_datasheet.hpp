// The time of a published collective from its device's datasheet and NCCL's constants alone.
#pragma once

#include <string>
#include <variant>

#include "estimator/validate/public_collectives.hpp"

namespace forerun {

/// The time, or why there is none: the catalog lacks the device, the row does not state the network
/// that its nodes share, or the group leaves the links that the datasheet describes.
[[nodiscard]] std::variant<Seconds, std::string> datasheet_time(const PublicCollective& timing);

}  // namespace forerun
