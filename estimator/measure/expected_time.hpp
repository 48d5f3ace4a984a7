// How long a collective is likely to take that was not measured yet.
#pragma once

#include "estimator/profile/profile.hpp"

namespace forerun {

/// In proportion to the next smaller size of its curve that `profile` has; else from the distances
/// between ranks, as fast as the links allow; zero where there are none. For deciding what still
/// fits into a budget.
[[nodiscard]] Seconds expected_time(const CollectiveKey& key, const Profile& profile);

}  // namespace forerun
