// What training and serving cost: rent, amortised hardware, energy, power of a site.
#pragma once

#include <optional>

#include "units/quantity.hpp"

namespace forerun {

/// Dollars to rent the devices for `training` FLOP at a utilisation.
[[nodiscard]] Dollars rent(Flops training,
                           FlopsPerSecond peak,
                           double utilisation,
                           Dollars per_device_hour);

/// Device time of the same.
[[nodiscard]] Seconds device_time(Flops training, FlopsPerSecond peak, double utilisation);

/// Value that hardware loses in `time`: 0.14 decades a year of what it is worth at the start
/// (Cottier et al. 2024, arXiv 2405.21015; as of 2024-05).
[[nodiscard]] Dollars amortised(Dollars value_at_start, Seconds time);
/// What hardware that cost `price` is worth after so long: price 10^(-0.14 years).
[[nodiscard]] Dollars value_after(Dollars price, Seconds age);

/// Devices at `fraction` of their power with their servers and the site's cooling.
struct SitePower {
  double devices = 0.0;
  Watts device_power;
  double server_per_device = 1.0;
  double fraction = 1.0;
  double pue = 1.0;
};

[[nodiscard]] Watts site_power(const SitePower& site);
[[nodiscard]] Joules site_energy(const SitePower& site, Seconds time);
[[nodiscard]] Dollars energy_price(Joules energy, Dollars per_kilowatt_hour);

/// Joules that one FLOP of training takes.
[[nodiscard]] Joules energy_per_flop(const SitePower& one_device,
                                     FlopsPerSecond peak,
                                     double utilisation);

/// Price after `elapsed` where performance per dollar grows by `factor_per_year`.
[[nodiscard]] Dollars cheaper(Dollars price, double factor_per_year, Seconds elapsed);

/// Time until something that doubles in `doubling` has grown by `factor`.
[[nodiscard]] Seconds time_to_grow(double factor, Seconds doubling);
/// Doubling time of a growth by `factor` within `elapsed`.
[[nodiscard]] Seconds doubling_of(double factor, Seconds elapsed);
/// Doubling time of cost, where compute doubles in one time and hardware per dollar in another:
/// 1 / (1/T_compute - 1/T_hardware).
[[nodiscard]] Seconds cost_doubling(Seconds compute, Seconds hardware);

/// Sessions that a device serves, as their price implies: rent x revenue over serving cost / what a
/// session pays an hour. compute-to-agents repository, 2026: 5 USD an hour, 5 to 10 times, 30 USD.
[[nodiscard]] double price_implied_sessions(Dollars rent_per_hour,
                                            Dollars spend_per_session_hour,
                                            double revenue_over_cost);

/// Devices of `per_device` HBM3E that so much memory equips, a byte of HBM4 counting as
/// `sessions_ratio` of HBM3E (2, between 1 and 4). The same source; GB300 has 288 GB.
[[nodiscard]] double equivalent_devices(Bytes hbm3e,
                                        Bytes hbm4,
                                        double sessions_ratio,
                                        Bytes per_device);

/// Trainable parameters of LoRA on `matrices` of d_in x d_out: rank (d_in + d_out) each.
[[nodiscard]] double lora_parameters(double rank, double input, double output, double matrices);

/// Devices of `memory` whose sum holds the weights at `bits` a parameter.
[[nodiscard]] double devices_for_weights(double parameters, double bits, Bytes memory);

}  // namespace forerun
