// Times of collectives that were not measured, from those that were.
#pragma once

#include <optional>
#include <span>

#include "estimator/profile/curve_transfer.hpp"
#include "estimator/profile/profile.hpp"
#include "estimator/step/price.hpp"

namespace forerun {

/// Order of trust, for collectives over several ranks:
///  1. sizes of the same collective over the same group: linear in log bytes and log seconds
///     between neighbours at most twice apart; wider gaps are filled from the shape of the curve
///     and of similar ones (`filled_gap`); interpolated. So is what lies up to four times below and
///     sixteen times above the ends, where it is fitted; beyond, the law alpha + N / B + c sqrt(N);
///  2. other groups and other collectives of the same machine (`transferred`); fitted.
class CollectiveCurves {
 public:
  explicit CollectiveCurves(std::span<const CollectiveRecord> records);

  /// Nothing where no measured curve serves. `relative_error` is that of leaving sizes, or whole
  /// curves, out. Some 10 us to 1 ms: CollectivePrices keeps what is asked for often.
  [[nodiscard]] std::optional<Price> price(const CollectiveKey& key) const;

  [[nodiscard]] const CurveMap& curves() const { return curves_; }

  /// The most that the same message takes over fewer ranks that lie on no more links, where that
  /// was measured: a larger group is never faster, whatever a noisy fit says. Else zero.
  [[nodiscard]] Seconds least_time(const CollectiveKey& key) const;

  /// The same curves without one, or with other points for it.
  [[nodiscard]] CollectiveCurves without(const CurveId& id) const;
  [[nodiscard]] CollectiveCurves with(const CurveId& id, std::vector<SizePoint> points) const;

 private:
  CollectiveCurves(CurveMap curves, double transfer_error);

  [[nodiscard]] Price own_price(const CurveId& id, const SizeCurve& curve, double log_bytes) const;

  CurveMap curves_;
  double transfer_error_ = 0.0;  ///< mean, of whole curves left out
};

/// The point of a record.
[[nodiscard]] SizePoint size_point(const CollectiveRecord& record);
/// log of a key's bytes, of at least one.
[[nodiscard]] double log_bytes_of(const CollectiveKey& key);

}  // namespace forerun
