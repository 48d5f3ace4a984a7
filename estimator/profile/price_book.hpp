// Prices of kernels and collectives: from a profile's measurements, or from a cluster's datasheet.
#pragma once

#include <memory>

#include "estimator/profile/profile.hpp"
#include "estimator/step/price.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// `strict` refuses anything below interpolated.
enum class Strictness { any_tier, interpolated_or_better };

/// Prices from measurements. A key that was not measured is interpolated between neighbouring sizes
/// of its family (same operation, format and flags: inverse-distance mean of log-utilisation over
/// the nearest eight, modelling.md 10.5), else priced at the median rate of the fitted roofline of
/// its class. Collectives are interpolated log-log in bytes; other group shapes use the fitted
/// levels. Each price carries its tier's leave-one-out error. Throws InputError naming the key and
/// the `measure` that would fill it when there is nothing to price it from, or when strict.
[[nodiscard]] PriceList prices_from(const Profile& profile, Strictness strictness);

/// Prices from peaks, bandwidths and class efficiencies. Throws InputError when the device has no
/// peak for the key's number format.
[[nodiscard]] PriceList prices_from(const Cluster& cluster, Strictness strictness);

}  // namespace forerun
