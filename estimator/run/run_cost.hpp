// From one step to a whole run: steps, days, device-hours, energy, money. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "topologies/cluster.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What the cluster file leaves out stays absent.
struct RunCost {
  double steps = 0.0;
  Seconds time;
  Seconds device_time;            ///< devices * time
  std::optional<Joules> energy;   ///< TDP * (server / device) * PUE * device time
  std::optional<Dollars> cost;    ///< price per device-hour * device time
  std::optional<double> goodput;  ///< share of wall-clock that is useful; absent: time is ideal
};

/// `tokens` of training at `step_time` a step of `tokens_per_step`, on `devices` devices.
[[nodiscard]] RunCost run_cost(double tokens,
                               double tokens_per_step,
                               Seconds step_time,
                               std::int64_t devices,
                               const Cluster& cluster);

}  // namespace forerun
