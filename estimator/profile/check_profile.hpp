// Whether what a profile says of the cluster can be: files are edited, and cut, and made up.
#pragma once

#include "estimator/profile/profile.hpp"

namespace forerun {

/// Throws InputError that names the part of the profile: counts of ranks below 1 or above 10^7,
/// ranks in the topology that are none, links without a rate, negative sizes.
void check_profile(const Profile& profile);

/// Throws InputError for a key of no bytes, of less than one rank or group, or beyond any machine.
void check_collective(const CollectiveKey& key);

}  // namespace forerun
