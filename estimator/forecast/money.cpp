#include "estimator/forecast/money.hpp"

#include <cmath>

#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr double decades_lost_per_year = 0.14;

}  // namespace

Seconds device_time(Flops training, FlopsPerSecond peak, double utilisation) {
  return training / (utilisation * peak);
}

Dollars rent(Flops training, FlopsPerSecond peak, double utilisation, Dollars per_device_hour) {
  return device_time(training, peak, utilisation) / unit::hour * per_device_hour;
}

Dollars amortised(Dollars value_at_start, Seconds time) {
  return decades_lost_per_year * std::log(10.0) * (time / unit::year) * value_at_start;
}

Dollars value_after(Dollars price, Seconds age) {
  return std::pow(10.0, -decades_lost_per_year * (age / unit::year)) * price;
}

Watts site_power(const SitePower& site) {
  return site.devices * site.server_per_device * site.fraction * site.pue * site.device_power;
}

Joules site_energy(const SitePower& site, Seconds time) {
  return site_power(site) * time;
}

Dollars energy_price(Joules energy, Dollars per_kilowatt_hour) {
  return energy / unit::kilowatt_hour * per_kilowatt_hour;
}

Joules energy_per_flop(const SitePower& one_device, FlopsPerSecond peak, double utilisation) {
  const Seconds one_flop = unit::flop / (utilisation * peak);
  return site_energy(one_device, one_flop);
}

Dollars cheaper(Dollars price, double factor_per_year, Seconds elapsed) {
  return std::pow(factor_per_year, -(elapsed / unit::year)) * price;
}

Seconds time_to_grow(double factor, Seconds doubling) {
  return std::log2(factor) * doubling;
}

Seconds doubling_of(double factor, Seconds elapsed) {
  return elapsed / std::log2(factor);
}

Seconds cost_doubling(Seconds compute, Seconds hardware) {
  const double per_second = 1.0 / compute.in(unit::second)-1.0 / hardware.in(unit::second);
  return 1.0 / per_second * unit::second;
}

double price_implied_sessions(Dollars rent_per_hour,
                              Dollars spend_per_session_hour,
                              double revenue_over_cost) {
  return rent_per_hour / spend_per_session_hour * revenue_over_cost;
}

double equivalent_devices(Bytes hbm3e, Bytes hbm4, double sessions_ratio, Bytes per_device) {
  return (hbm3e + sessions_ratio * hbm4) / per_device;
}

double lora_parameters(double rank, double input, double output, double matrices) {
  return rank * (input + output) * matrices;
}

double devices_for_weights(double parameters, double bits, Bytes memory) {
  const Bytes weights = parameters * bits / 8.0 * unit::byte;
  return std::ceil(weights / memory);
}

}  // namespace forerun
