// Levels of links found in measured distances between ranks, without being told how many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "topologies/pair_distance.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// One level of links, as measured. Its pairs are those of ranks that one of its groups joins and
/// no group of the level inside it does.
struct MeasuredLevel {
  std::string name;                               ///< "node", "network"; "domain" inside a node
  std::int64_t devices = 0;                       ///< ranks of its largest group
  std::vector<std::vector<std::int64_t>> groups;  ///< ranks, ascending; each rank in one group
  std::int64_t pairs = 0;                         ///< that were measured on it
  Seconds latency;  ///< median over its pairs, without those of stragglers where it has others
  /// With every rank busy, a device's share (device_share.hpp), the median over hosts and turns;
  /// where that was not measured, the median over the same pairs as of the latency.
  BytesPerSecond bandwidth;
  double latency_spread = 0.0;  ///< 1.4826 times the median absolute deviation of its logarithm
  double bandwidth_spread = 0.0;
  /// Of one pair while all others rest, one way; absent where that was not measured.
  std::optional<Seconds> latency_alone;
  std::optional<BytesPerSecond> bandwidth_alone;
  /// How sure it is that this level differs from its neighbours: the share of comparisons between
  /// one of its pairs and one of a neighbouring level's that come out as the levels say, half a
  /// comparison counted as lost. Alone: the share of its pairs within `least_factor` of its median.
  double confidence = 0.0;
};

/// A pair that is slower than its level. Factors above 1 are worse: latency is multiplied by the
/// one, bandwidth is divided by the other.
struct SlowLink {
  std::int64_t first = 0;
  std::int64_t second = 0;
  std::string level;
  double latency_factor = 1.0;
  double bandwidth_factor = 1.0;
};

/// A rank that is slower to most others than those are among themselves.
struct Straggler {
  std::int64_t rank = 0;
  std::string host;
  double latency_factor = 1.0;  ///< median over its pairs, relative to those of sound ranks
  double bandwidth_factor = 1.0;
};

/// Whether the groups that were measured are the hosts that were discovered.
enum class HostAgreement {
  one_host,  ///< nothing to compare
  agrees,    ///< one level's groups are the hosts
  conflict   ///< no level's are
};

struct MeasuredTopology {
  std::vector<PairDistance> pairs;
  std::vector<MeasuredLevel> levels;  ///< innermost first; the last one joins all ranks
  std::vector<SlowLink> slow_links;   ///< worst first
  std::vector<Straggler> stragglers;  ///< worst first
  HostAgreement agreement = HostAgreement::one_host;
  std::vector<std::string> findings;  ///< agreement or conflict, and odd ranks, in sentences
};

[[nodiscard]] std::string_view name_of(HostAgreement agreement);

/// Two levels are taken apart when their medians differ by this factor (latency and bandwidth
/// multiplied) at least: nothing that a layout is chosen by depends on less.
inline constexpr double least_factor = 1.25;

/// Levels of links between `hosts.size()` ranks.
///
/// Ranks are clustered by average linkage three times: by latency, by bandwidth, and by their
/// quotient, each as a logarithm, so that factors count and not differences. Where the heights of
/// merging have a gap, the groups below it are a candidate. Candidates are dropped, the weakest
/// first, until neighbouring levels differ by `least_factor` and three robust standard deviations
/// of the pairs of both, and nineteen in twenty comparisons between their pairs come out right; and
/// until they differ by `least_factor` in latency or in bandwidth (merge_alike_levels). So a level
/// may differ in latency, in bandwidth or in both, and noise alone makes none. Single ranks that
/// are far from all others make no level: they are stragglers, and counted to their host's group.
///
/// `hosts` names the host of each rank; empty names where unknown. Pairs that were not measured may
/// be missing as long as those that were connect all ranks. Throws std::invalid_argument otherwise,
/// and for a latency or bandwidth that is not positive and finite. No levels for one rank.
[[nodiscard]] MeasuredTopology find_levels(std::vector<PairDistance> pairs,
                                           const std::vector<std::string>& hosts);

/// The same without levels that are like the next one: neither latency nor bandwidth differs by
/// `least_factor`, as the medians of their pairs do and, in the same sense, their own numbers once
/// these are measured. What joins the ranks of both keeps the outer one's own numbers.
[[nodiscard]] MeasuredTopology merge_alike_levels(MeasuredTopology topology,
                                                  const std::vector<std::string>& hosts);

/// The number of the innermost level that joins the two ranks.
[[nodiscard]] std::size_t level_between(const MeasuredTopology& topology,
                                        std::int64_t first,
                                        std::int64_t second);

}  // namespace forerun
