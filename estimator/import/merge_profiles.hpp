// Several profiles of one cluster as one.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// Two records of one key, or two measurements of one link or level of links, whose confidence
/// intervals do not touch.
struct MergeConflict {
  std::string key;  ///< of a collective or kernel; "link 0-2 bandwidth", "level 'network' latency"
                    ///< as `compare_profiles` has them: bandwidths as seconds a byte
  Seconds older;
  Seconds newer;
};

struct MergedProfile {
  Profile profile;
  std::vector<MergeConflict> conflicts;
};

/// The union of the records; of a key that several have, the newest profile's counts (of equally
/// old ones the later in the list). Overlap is joined by computation, collective and bytes,
/// warnings as a set, with one of its own where versions of software differ. Distances between
/// ranks are those of the most ranks, of equally many the newest, and so are the hosts' names.
/// Levels are fitted anew. Throws InputError naming both files when their devices differ (kind,
/// name, or cores where both say them).
[[nodiscard]] MergedProfile merge_profiles(std::vector<Profile> profiles);

}  // namespace forerun
