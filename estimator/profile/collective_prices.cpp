#include "estimator/profile/collective_prices.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "units/unit.hpp"

namespace forerun {
namespace {

// 64 B to 64 GiB: beyond what is sent in a step the law serves.
constexpr int least_power = 6;
constexpr int most_power = 36;

CollectiveKey key_of(const CurveId& id, std::int64_t bytes) {
  return {id.op, bytes, id.type, id.group};
}

}  // namespace

CollectivePrices::CollectivePrices(std::span<const CollectiveRecord> records) : curves_(records) {}

std::optional<Price> CollectivePrices::price(const CollectiveKey& key) const {
  const Table* const table = table_of(curve_of(key));
  if (table == nullptr) {
    return std::nullopt;
  }
  const double log_bytes = log_bytes_of(key);
  const bool is_inside = table->measured_from <= log_bytes && log_bytes <= table->measured_to;
  return Price{std::exp(table->sizes.at(log_bytes)) * unit::second,
               is_inside ? Tier::interpolated : Tier::fitted,
               is_inside ? table->error_inside : table->error_beyond};
}

const CollectivePrices::Table* CollectivePrices::table_of(const CurveId& id) const {
  const std::scoped_lock lock(mutex_);
  auto [found, is_new] = tables_.try_emplace(id);
  if (is_new) {
    found->second = tabulated(id);
  }
  return found->second.get();
}

std::unique_ptr<const CollectivePrices::Table> CollectivePrices::tabulated(
    const CurveId& id) const {
  std::vector<SizePoint> points;
  double measured_from = 1.0;
  double measured_to = 0.0;
  const SizeCurve* measured = nullptr;
  if (const auto own = curves_.curves().find(id); own != curves_.curves().end()) {
    measured = &own->second;
    points.assign(measured->points().begin(), measured->points().end());
    measured_from = points.front().log_bytes;
    measured_to = points.back().log_bytes;
  }
  double error_inside = 0.0;
  double error_beyond = 0.0;
  for (int power = least_power; power <= most_power; ++power) {
    const CollectiveKey key = key_of(id, std::int64_t{1} << power);
    const double log_bytes = log_bytes_of(key);
    const bool is_inside = measured_from <= log_bytes && log_bytes <= measured_to;
    const auto price = curves_.price(key);
    if (!price) {
      continue;
    }
    (is_inside ? error_inside : error_beyond) = price->relative_error;
    // Far beyond its ends a curve goes on by its law.
    if (measured == nullptr || !measured->law() || measured->serves(log_bytes)) {
      points.push_back({log_bytes, std::log(price->time.in(unit::second))});
    }
  }
  if (points.empty()) {
    return nullptr;
  }
  return std::make_unique<const Table>(
      Table{SizeCurve(std::move(points)), measured_from, measured_to, error_inside, error_beyond});
}

}  // namespace forerun
