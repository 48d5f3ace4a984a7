#include "estimator/validate/validate_collectives.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "estimator/profile/collective_curves.hpp"
#include "estimator/validate/collective_datasheet.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using CollectiveTimings = std::vector<const PublicCollective*>;

// Mean error of the datasheet tier above 16 MiB on the published tables (this verb's own figure).
constexpr double datasheet_error = 0.15;

CollectiveRecord record_of(const PublicCollective& timing) {
  const Seconds time = timing.time;
  return {timing.key, {time, time, time, time, time, 1, 0.0}};
}

std::vector<std::string> groups_of(const PublicCollective& timing, const std::string& known) {
  constexpr std::int64_t mebibyte = std::int64_t{1} << 20;
  std::vector<std::string> sizes{"all sizes"};
  if (timing.key.bytes > mebibyte) {
    sizes.emplace_back("> 1 MiB");
  }
  if (timing.key.bytes > 16 * mebibyte) {
    sizes.emplace_back("> 16 MiB");
  }
  std::vector<std::string> groups;
  groups.reserve(2 * sizes.size());
  for (const std::string& size : sizes) {
    groups.push_back(fmt::format("{}, {}", known, size));
  }
  for (const std::string& size : sizes) {
    groups.push_back(fmt::format("{}, {}: {}", known, size, timing.source));
  }
  return groups;
}

ValidationRow row_of(const PublicCollective& timing,
                     const std::string& known,
                     const std::optional<Price>& price,
                     const std::string& reason) {
  ValidationRow row;
  row.id = fmt::format("{} ({})", timing.id, known);
  row.groups = groups_of(timing, known);
  row.published = timing.time;
  if (price) {
    row.predicted = price->time;
    row.relative_error = price->relative_error;
    row.tier = name_of(price->tier);
  } else {
    row.skip_reason = reason;
    row.groups.push_back(fmt::format("{}, not priced: {}", known, reason));
  }
  return row;
}

struct DatasheetPrice {
  std::optional<Price> price;
  std::string reason;
};

DatasheetPrice datasheet_price(const PublicCollective& timing) {
  const auto time = datasheet_time(timing);
  if (const auto* reason = std::get_if<std::string>(&time)) {
    return {std::nullopt, *reason};
  }
  return {Price{std::get<Seconds>(time), Tier::datasheet, datasheet_error}, {}};
}

// The rows of one machine, and the curves that they make.
class Machine {
 public:
  explicit Machine(const CollectiveTimings& timings) : curves_(records_of(timings)) {
    for (const PublicCollective* timing : timings) {
      by_curve_[curve_of(timing->key)].push_back(timing);
    }
  }

  // Rows in the order of the curves.
  void predict(std::vector<ValidationRow>& rows) const {
    for (const auto& [id, members] : by_curve_) {
      const CollectiveCurves others = curves_.without(id);
      for (const PublicCollective* timing : members) {
        rows.push_back(row_of(*timing,
                              "row left out",
                              without_row(*timing, members, others),
                              "no other row of the machine tells of it"));
        auto from_others = others.price(timing->key);
        const DatasheetPrice sheet = datasheet_price(*timing);
        if (!from_others) {
          from_others = sheet.price;
        }
        rows.push_back(
            row_of(*timing, "curve left out", from_others, "no other curve tells of it"));
        rows.push_back(row_of(*timing, "datasheet", sheet.price, sheet.reason));
      }
    }
  }

 private:
  static std::vector<CollectiveRecord> records_of(const CollectiveTimings& timings) {
    std::vector<CollectiveRecord> records(timings.size());
    std::ranges::transform(timings, records.begin(), [](const PublicCollective* timing) {
      return record_of(*timing);
    });
    return records;
  }

  // `others` lacks the whole curve; its other rows are put back.
  static std::optional<Price> without_row(const PublicCollective& left_out,
                                          const CollectiveTimings& members,
                                          const CollectiveCurves& others) {
    std::vector<SizePoint> points;
    for (const PublicCollective* member : members) {
      if (member != &left_out) {
        points.push_back(size_point(record_of(*member)));
      }
    }
    if (points.empty()) {
      return others.price(left_out.key);
    }
    return others.with(curve_of(left_out.key), std::move(points)).price(left_out.key);
  }

  CollectiveCurves curves_;
  std::map<CurveId, CollectiveTimings> by_curve_;
};

}  // namespace

Validation validate_collectives(const std::vector<PublicCollective>& timings) {
  Validation validation;
  std::vector<std::string> names;
  std::map<std::string, CollectiveTimings> machines;
  for (const PublicCollective& timing : timings) {
    if (!timing.skip_reason.empty()) {
      continue;
    }
    CollectiveTimings& rows = machines[timing.machine];
    if (rows.empty()) {
      names.push_back(timing.machine);
    }
    rows.push_back(&timing);
  }
  for (const std::string& name : names) {
    Machine(machines[name]).predict(validation.rows);
  }
  for (const PublicCollective& timing : timings) {
    if (!timing.skip_reason.empty()) {
      ValidationRow row;
      row.id = timing.id;
      row.groups = {"not compared: " + timing.skip_reason};
      row.published = timing.time;
      row.skip_reason = timing.skip_reason;
      validation.rows.push_back(std::move(row));
    }
  }
  return validation;
}

}  // namespace forerun
