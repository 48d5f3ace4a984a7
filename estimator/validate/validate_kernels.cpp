#include "estimator/validate/validate_kernels.hpp"

#include <algorithm>
#include <map>

#include "estimator/profile/kernel_curves.hpp"
#include "estimator/validate/kernel_rows.hpp"

namespace forerun {
namespace {

KernelRecord record_of(const PublicTiming& timing) {
  const Seconds time = timing.time;
  return {timing.key, {time, time, time, time, time, 1, 0.0}};
}

ValidationRow predict(const PublicTiming& timing, const KernelCurves& curves) {
  ValidationRow row;
  row.id = timing.id;
  row.groups = groups_of(timing);
  row.published = timing.time;
  if (const auto price = curves.price(timing.key)) {
    row.predicted = price->time;
    row.relative_error = price->relative_error;
    row.tier = name_of(price->tier);
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

}  // namespace

Validation validate_kernels(const std::vector<PublicTiming>& timings) {
  std::vector<std::string> names;
  std::map<std::string, Timings> tables;
  Validation validation;
  for (const PublicTiming& timing : timings) {
    if (!timing.skip_reason.empty()) {
      ValidationRow row;
      row.id = timing.id;
      row.groups = {timing.table};
      row.published = timing.time;
      row.skip_reason = timing.skip_reason;
      validation.rows.push_back(std::move(row));
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
