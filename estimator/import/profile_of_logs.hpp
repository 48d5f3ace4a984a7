// A profile from what logs of other tools say.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "estimator/import/imported_log.hpp"

namespace forerun {

enum class LogKind { nccl_tests, osu };

/// The collectives of all logs as one profile; of a key that occurs several times the last counts.
/// `device_name` beats what the logs say. The profile's date is the newest log's modification.
/// Throws InputError when the logs name different devices, or none and the user does not either.
[[nodiscard]] Profile profile_of_logs(std::span<const ImportedLog> logs,
                                      LogKind kind,
                                      const std::optional<std::string>& device_name);

}  // namespace forerun
