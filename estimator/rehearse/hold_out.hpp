// What a prediction is worth where keys are missing: some of a profile are taken away.
#pragma once

#include <cstdint>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// Removes each kernel's record with probability `share` in [0, 1], as `seed` and the key decide,
/// but for the last of its family (kernel_family.hpp): nothing could stand for it.
void hold_out(double share, std::uint64_t seed, Profile& profile);

}  // namespace forerun
