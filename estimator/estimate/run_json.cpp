// The run of an estimate as JSON: expected values, then the same with their 90 % band.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/estimate.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

template <class T, class Number>
Json or_null(const std::optional<T>& value, Number number) {
  return value ? Json(number(*value)) : Json(nullptr);
}

std::string date_text(std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}",
                     static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

Json end_json(const RunCost& run, Seconds time) {
  const auto end = run.start ? end_of(*run.start, time) : std::nullopt;
  return end ? Json(date_text(*end)) : Json(nullptr);
}

Json cost_parts_json(const CostParts& parts) {
  return {{"rent", parts.rent.in(unit::dollar)},
          {"hardware", parts.hardware.in(unit::dollar)},
          {"energy", parts.energy.in(unit::dollar)},
          {"staff", parts.staff.in(unit::dollar)}};
}

// One of the three values of each banded quantity.
template <class Pick>
Json values_json(const RunCost& run, Pick pick) {
  return {{"days", pick(run.time).in(unit::day)},
          {"end_date", end_json(run, pick(run.time))},
          {"device_hours", pick(run.device_time).in(unit::hour)},
          {"energy_kwh",
           or_null(run.energy, [&](const auto& v) { return pick(v).in(unit::kilowatt_hour); })},
          {"cost_usd", or_null(run.cost, [&](const auto& v) { return pick(v).in(unit::dollar); })},
          {"co2_kg", or_null(run.co2_kg, pick)}};
}

Json failures_json(const Failures& failures) {
  return {{"mtbf_s", failures.interruptions.between_failures.in(unit::second)},
          {"expected_failures", failures.expected},
          {"restart_s", failures.interruptions.restart.in(unit::second)},
          {"checkpoint_bytes", failures.checkpoint.in(unit::byte)},
          {"checkpoint_write_s", failures.checkpoint_write.in(unit::second)},
          {"checkpoint_stall_s", failures.interruptions.checkpoint.in(unit::second)},
          {"checkpoint_interval_s", failures.interval.in(unit::second)},
          {"checkpoint_interval_young_s", young_interval(failures.interruptions).in(unit::second)}};
}

Json price_json(const Economics& economics) {
  if (const auto& owned = economics.purchase) {
    return {{"usd_per_device", owned->per_device.in(unit::dollar)},
            {"lifetime_days", owned->lifetime.in(unit::day)},
            {"usd_per_kwh", owned->per_kilowatt_hour.in(unit::dollar)},
            {"staff_share", owned->staff_share},
            {"date", economics.date},
            {"source", economics.source}};
  }
  if (!economics.price_per_device_hour) {
    return nullptr;
  }
  return {{"usd_per_device_hour", economics.price_per_device_hour->in(unit::dollar)},
          {"date", economics.date},
          {"source", economics.source}};
}

}  // namespace

nlohmann::ordered_json run_json(const RunCost& run, const Cluster& cluster) {
  const auto low = [](const auto& value) { return value.low; };
  const auto expected = [](const auto& value) { return value.expected; };
  const auto high = [](const auto& value) { return value.high; };
  Json document{{"steps", run.steps}};
  document.update(values_json(run, expected));
  document["goodput"] = or_null(run.goodput, expected);
  document["power_w"] = or_null(run.power, [](Watts power) { return power.in(unit::watt); });
  document["cost_parts_usd"] = or_null(run.cost_parts, cost_parts_json);
  document["start_date"] = or_null(run.start, date_text);
  document["failures"] = or_null(run.failures, failures_json);
  document["price"] = price_json(cluster.economics);
  document["low"] = values_json(run, low);
  document["high"] = values_json(run, high);
  // Little is lost in a good run.
  document["low"]["goodput"] = or_null(run.goodput, low);
  document["high"]["goodput"] = or_null(run.goodput, high);
  return document;
}

}  // namespace forerun
