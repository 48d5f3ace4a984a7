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
/// its class. Collectives: CollectivePrices; where no measured curve serves, the fitted
/// levels. Overlap: the measured grid, where the profile has one. Each price carries its tier's
/// leave-one-out error. Throws InputError naming the key and the `measure` that would fill it when
/// there is nothing to price it from, or when strict.
[[nodiscard]] PriceList prices_from(const Profile& profile, Strictness strictness);

/// Prices from the profiles of the catalog that the cluster names, tier fitted, with their
/// leave-one-out errors; what they do not know, and every key of a cluster without one, from peaks,
/// bandwidths and class efficiencies, tier datasheet; collectives of NVIDIA's GPUs by NCCL's own
/// model, those of other devices by the fastest textbook algorithm. Reads the profiles once, here;
/// a price then takes well under a microsecond. Throws InputError when the device has no peak for
/// the key's number format.
[[nodiscard]] PriceList prices_from(const Cluster& cluster, Strictness strictness);

}  // namespace forerun
