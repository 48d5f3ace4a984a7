// The laws that a profile's collectives follow, to be drawn beside the points.
#pragma once

#include <nlohmann/json.hpp>

namespace forerun {

/// One row a collective over a group with three sizes or more, of the measured list `collectives`
/// of a profile: "curve" (the key without its bytes), "sizes", "latency_s", "seconds_per_byte",
/// "seconds_per_root_byte" and "error", the mean relative error. T(N) = alpha + N / B + c sqrt(N),
/// the law by which prices go beyond the measured sizes (`fit_size_law`).
[[nodiscard]] nlohmann::ordered_json collective_fits(const nlohmann::ordered_json& collectives);

}  // namespace forerun
