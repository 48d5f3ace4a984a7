#include "estimator/validate/validate_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "estimator/profile/kernel_curves.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Timings = std::vector<const PublicTiming*>;

KernelRecord record_of(const PublicTiming& timing) {
  const Seconds time = timing.time;
  return {timing.key, {time, time, time, time, time, 1, 0.0}};
}

const char* name_of_tier(Tier tier) {
  return tier == Tier::interpolated ? "interpolated" : "fitted";
}

// "m = 128 i up to 4096" and its complement, as modelling.md 10.5 counts them.
std::string domain_of(const PublicTiming& timing) {
  constexpr std::int64_t tile = 128;
  constexpr std::int64_t most_rows = 4096;
  const std::int64_t m = std::get<GemmShape>(timing.key.shape).m;
  if (m > most_rows) {
    return "m above 4096";
  }
  return m % tile == 0 ? "m in 128s" : "other m";
}

std::vector<std::string> groups_of(const PublicTiming& timing) {
  if (timing.layer.empty()) {
    return {timing.table};
  }
  return {fmt::format("{}: product, {}", timing.table, domain_of(timing))};
}

ValidationRow predict(const PublicTiming& timing, const KernelCurves& curves) {
  ValidationRow row{.id = timing.id,
                    .groups = groups_of(timing),
                    .published = timing.time,
                    .predicted = std::nullopt,
                    .relative_error = 0.0,
                    .tier = {},
                    .skip_reason = {}};
  if (const auto price = curves.price(timing.key)) {
    row.predicted = price->time;
    row.relative_error = price->relative_error;
    row.tier = name_of_tier(price->tier);
  } else {
    row.skip_reason = "no other kernel of its kind in the table";
  }
  return row;
}

// Rows of one table, each from the families that are not its own.
std::map<const PublicTiming*, ValidationRow> predict_table(const Timings& table) {
  std::map<std::string, Timings> families;
  for (const PublicTiming* timing : table) {
    families[timing->family].push_back(timing);
  }
  std::map<const PublicTiming*, ValidationRow> rows;
  for (const auto& [family, members] : families) {
    // The same key from several families counts once: the later one.
    std::map<KernelKey, KernelRecord> others;
    for (const PublicTiming* timing : table) {
      if (timing->family != family) {
        others.insert_or_assign(timing->key, record_of(*timing));
      }
    }
    std::vector<KernelRecord> records;
    std::ranges::transform(
        others, std::back_inserter(records), [](const auto& entry) { return entry.second; });
    const KernelCurves curves(records);
    for (const PublicTiming* timing : members) {
      rows.emplace(timing, predict(*timing, curves));
    }
  }
  return rows;
}

// Sums of the products of a layer that were all predicted.
std::vector<ValidationRow> layer_rows(const Timings& table,
                                      const std::map<const PublicTiming*, ValidationRow>& rows) {
  std::map<std::string, ValidationRow> layers;
  for (const PublicTiming* timing : table) {
    if (timing->layer.empty() || !rows.at(timing).predicted) {
      continue;
    }
    const ValidationRow& part = rows.at(timing);
    auto [found, is_new] = layers.try_emplace(timing->layer, part);
    ValidationRow& layer = found->second;
    if (is_new) {
      layer.id = timing->layer + " layer";
      layer.groups = {fmt::format("{}: layer, {}", timing->table, domain_of(*timing))};
      continue;
    }
    // Errors of the parts are taken as independent.
    const double before = layer.relative_error * (*layer.predicted / unit::second);
    const double added = part.relative_error * (*part.predicted / unit::second);
    layer.published += part.published;
    layer.predicted = *layer.predicted + *part.predicted;
    layer.relative_error = std::hypot(before, added) / (*layer.predicted / unit::second);
  }
  std::vector<ValidationRow> result;
  std::ranges::transform(
      layers, std::back_inserter(result), [](const auto& entry) { return entry.second; });
  return result;
}

}  // namespace

Validation validate_kernels(const std::vector<PublicTiming>& timings) {
  std::vector<std::string> names;
  std::map<std::string, Timings> tables;
  Validation validation;
  for (const PublicTiming& timing : timings) {
    if (!timing.skip_reason.empty()) {
      validation.rows.push_back({.id = timing.id,
                                 .groups = {timing.table},
                                 .published = timing.time,
                                 .predicted = std::nullopt,
                                 .relative_error = 0.0,
                                 .tier = {},
                                 .skip_reason = timing.skip_reason});
      continue;
    }
    auto& table = tables[timing.table];
    if (table.empty()) {
      names.push_back(timing.table);
    }
    table.push_back(&timing);
  }
  std::vector<ValidationRow> priced;
  for (const std::string& name : names) {
    const Timings& table = tables[name];
    const auto rows = predict_table(table);
    std::ranges::transform(
        table, std::back_inserter(priced), [&](const auto* timing) { return rows.at(timing); });
    std::ranges::move(layer_rows(table, rows), std::back_inserter(priced));
  }
  std::ranges::move(validation.rows, std::back_inserter(priced));
  validation.rows = std::move(priced);
  return validation;
}

}  // namespace forerun
