// What has become slower between two measurements of one cluster.
#pragma once

#include <string>
#include <vector>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// One key or link that both measurements have, and its time in each. Links by their time per byte
/// or their latency.
struct Comparison {
  /// A kernel, a collective, the same "back to back", "link 0-2 (node1, node2) bandwidth", "level
  /// 'network' latency".
  std::string key;
  double old_s = 0.0;
  double new_s = 0.0;
  double ratio = 1.0;      ///< new / old
  bool is_slower = false;  ///< by more than the tolerance, and beyond both confidence intervals
};

/// Every kernel and collective key, pair of ranks and level that both profiles have, slowest first.
/// `tolerance` is a fraction: 0.05 lets 5 % pass. A key is slower when new > (1 + tolerance) old
/// and the lower end of the new interval is above the upper end of the old one; a pair, when the
/// same holds with the half widths of its medians. Times back to back are means, whose interval is
/// taken as relatively as wide as that of one operation by itself. Levels have no interval: twice
/// their spread over the root of the number of their pairs stands for it. A pair is compared where
/// both profiles have its ranks on the same hosts, and never where only one knows its hosts.
[[nodiscard]] std::vector<Comparison> compare_profiles(const Profile& before,
                                                       const Profile& after,
                                                       double tolerance);

/// Keys, pairs and levels of `before` that `after` lacks, by name: nothing is known of them.
[[nodiscard]] std::vector<std::string> not_measured_again(const Profile& before,
                                                          const Profile& after);

/// The same against what a cluster file says: matrix products against the device's peak times its
/// class efficiency, and levels against the file's of the same kind (inside the nodes or between
/// them) that reach as far, by what they give one pair of devices (`pair_bandwidth`) and, where
/// more ranks than devices lie on a node, their share of it. A level whose kind the file lacks is
/// left out.
[[nodiscard]] std::vector<Comparison> compare_with_cluster(const Cluster& cluster,
                                                           const Profile& after,
                                                           double tolerance);

}  // namespace forerun
