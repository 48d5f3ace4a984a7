#include "estimator/run/run_cost.hpp"

#include <cmath>

#include "units/unit.hpp"

namespace forerun {

RunCost run_cost(double tokens,
                 double tokens_per_step,
                 Seconds step_time,
                 std::int64_t devices,
                 const Cluster& cluster) {
  RunCost run;
  run.steps = std::ceil(tokens / tokens_per_step);
  run.time = run.steps * step_time;
  run.device_time = static_cast<double>(devices) * run.time;
  if (cluster.device.power && cluster.power.server_per_device && cluster.power.pue) {
    run.energy = *cluster.device.power * run.device_time *
                 (*cluster.power.server_per_device * *cluster.power.pue);
  }
  if (cluster.economics.price_per_device_hour) {
    run.cost = *cluster.economics.price_per_device_hour * run.device_time.in(unit::hour);
  }
  return run;
}

}  // namespace forerun
