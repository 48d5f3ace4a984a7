// The run of an estimate as JSON: expected values, then the same with their 90 % band.
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

// One of the three values of each banded quantity.
template <class Pick>
Json values_json(const RunCost& run, Pick pick) {
  return {{"days", pick(run.time).in(unit::day)},
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
