// Interpolation between measured kernels of one family.
#pragma once

#include <optional>
#include <vector>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// The sizes that a key has, as logarithms: what distance between keys is measured in.
[[nodiscard]] std::vector<double> log_sizes(const KernelKey& key);

/// Same operation, number format and flags: keys that differ in sizes only.
[[nodiscard]] bool same_family(const KernelKey& a, const KernelKey& b);

/// What a kernel is limited by, as a number that its time is roughly proportional to: FLOP for
/// matrix work, bytes for the rest.
[[nodiscard]] double work_amount(const KernelKey& key);
[[nodiscard]] bool is_matrix_work(KernelOp op);

/// Time from the up to eight nearest family members, by inverse-distance mean of log(rate); nothing
/// when none lies within a factor of 16 in every size. `without` leaves one record out.
[[nodiscard]] std::optional<Seconds> interpolated_time(const KernelKey& key,
                                                       const std::vector<KernelRecord>& records,
                                                       const KernelRecord* without = nullptr);

}  // namespace forerun
