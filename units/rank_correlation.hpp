// Spearman's rank correlation.
#pragma once

#include <optional>
#include <span>

namespace forerun {

/// Pearson's correlation of the ranks of two equally long series, equal values sharing their mean
/// rank; nothing where one of them has no spread.
[[nodiscard]] std::optional<double> spearman(std::span<const double> first,
                                             std::span<const double> second);

}  // namespace forerun
