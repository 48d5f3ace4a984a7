// A profile as JSON: the file that `measure --out` writes and `--cluster` reads.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "estimator/profile/profile.hpp"

namespace forerun {

[[nodiscard]] nlohmann::ordered_json to_json(const Profile& profile);
[[nodiscard]] nlohmann::ordered_json to_json(const KernelRecord& record);
[[nodiscard]] nlohmann::ordered_json to_json(const CollectiveRecord& record);
[[nodiscard]] nlohmann::ordered_json to_json(const OverlapPoint& point);

/// Throws InputError when the file cannot be read, is truncated, is not JSON, or is not a profile
/// of a schema version that this build knows.
[[nodiscard]] Profile read_profile(const std::string& path);
/// The same from text; `path` names it.
[[nodiscard]] Profile read_profile_text(std::string_view text, const std::string& path);

/// One journal line: a kernel, a collective or a pair of both, appended to the profile. Throws
/// nlohmann::json::exception or InputError when it is neither.
void add_record(const nlohmann::ordered_json& line, Profile& profile);

}  // namespace forerun
