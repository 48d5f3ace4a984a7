// Time of a collective over a group that was not measured, from other curves of the same machine.
#pragma once

#include <map>
#include <optional>

#include "comm/collective_key.hpp"
#include "estimator/profile/size_curve.hpp"

namespace forerun {

/// What the sizes of one curve have in common.
struct CurveId {
  Collective op = Collective::all_reduce;
  DataType type = DataType::bf16;
  GroupShape group;
  friend auto operator<=>(const CurveId&, const CurveId&) = default;
};

[[nodiscard]] CurveId curve_of(const CollectiveKey& key);

using CurveMap = std::map<CurveId, SizeCurve>;

/// Unlikeness of two curves of one machine; 0 for the same. Doubling the ranks counts 1.
[[nodiscard]] double distance_between(const CurveId& a, const CurveId& b);

/// Logarithm of seconds. Two kinds of guesses, weighted by likeness: a curve of the same collective
/// or of the same group with its latency scaled by the steps and the rest by the load; and such a
/// curve corrected by what the same step is wrong by elsewhere, where both of its ends were
/// measured. Curves inside a node tell of groups inside a node, those across nodes of groups across
/// nodes. A curve of `id` itself is not looked at; nothing where no other serves.
[[nodiscard]] std::optional<double> transferred(const CurveId& id,
                                                double log_bytes,
                                                const CurveMap& curves);

}  // namespace forerun
