// Prices of collectives from measured curves, kept as tables: a look-up takes well under 1 us.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "estimator/profile/collective_curves.hpp"

namespace forerun {

class CollectivePrices {
 public:
  explicit CollectivePrices(std::span<const CollectiveRecord> records);

  /// What CollectiveCurves says, tabulated for the whole group when it is first asked for: at the
  /// measured sizes and, where these are wide apart or missing, at powers of two. Between them
  /// linear in log bytes and log seconds, beyond them alpha + N / B + c sqrt(N). Safe to call from
  /// several threads.
  [[nodiscard]] std::optional<Price> price(const CollectiveKey& key) const;

  [[nodiscard]] Seconds least_time(const CollectiveKey& key) const {
    return curves_.least_time(key);
  }

 private:
  struct Table {
    SizeCurve sizes;
    double measured_from = 0.0;  ///< log bytes; above `measured_to` where nothing was measured
    double measured_to = 0.0;
    double error_inside = 0.0;
    double error_beyond = 0.0;
  };

  [[nodiscard]] const Table* table_of(const CurveId& id) const;
  [[nodiscard]] std::unique_ptr<const Table> tabulated(const CurveId& id) const;

  CollectiveCurves curves_;
  mutable std::mutex mutex_;
  mutable std::map<CurveId, std::unique_ptr<const Table>> tables_;  ///< null: not to be priced
};

}  // namespace forerun
