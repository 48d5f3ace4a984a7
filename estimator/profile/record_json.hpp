// The lines of a profile that hold times: what kernels and collectives share, and the collectives.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// "key", the statistics in seconds, "samples" and "flags".
[[nodiscard]] nlohmann::ordered_json timing_json(std::string key, const Timing& timing);
/// The way back; what profiles of earlier versions lack stays at its default.
[[nodiscard]] Timing timing_from(const nlohmann::ordered_json& line);

[[nodiscard]] Seconds seconds_at(const nlohmann::ordered_json& object, const char* key);

/// Throw InputError where the value is no whole number of at most 2^53 in size.
[[nodiscard]] std::int64_t whole_of(const nlohmann::ordered_json& value);
[[nodiscard]] std::int64_t whole_at(const nlohmann::ordered_json& object, const char* key);

[[nodiscard]] CollectiveRecord collective_record(const CollectiveKey& key,
                                                 const nlohmann::ordered_json& line);

/// Throws InputError for a computation or a collective that this build does not know.
[[nodiscard]] OverlapPoint overlap_point(const nlohmann::ordered_json& line);

}  // namespace forerun
