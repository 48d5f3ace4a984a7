#include "estimator/run/run_cost.hpp"

#include <algorithm>
#include <cmath>

#include "units/unit.hpp"

namespace forerun {
namespace {

// Of a normal distribution: 5 % lie above and 5 % below.
constexpr double deviations_at_90_percent = 1.645;

// Nodes fail independently, so the times between failures of N of them are N times shorter.
std::optional<Seconds> between_failures(std::int64_t devices,
                                        const Cluster& cluster,
                                        const RunSettings& settings) {
  if (settings.between_failures) {
    return settings.between_failures;
  }
  const auto rate = cluster.reliability.failures_per_node_day;
  if (!rate || *rate <= 0.0 || cluster.devices_per_node == 0) {
    return std::nullopt;
  }
  const double nodes =
      std::ceil(static_cast<double>(devices) / static_cast<double>(cluster.devices_per_node));
  return unit::day / (*rate * nodes);
}

std::optional<Failures> failures_of(const RunRequest& request,
                                    const Cluster& cluster,
                                    const RunSettings& settings,
                                    std::vector<std::string>& notes) {
  const auto mean = between_failures(request.devices, cluster, settings);
  const auto restart = settings.restart ? settings.restart : cluster.reliability.restart;
  const auto rate = settings.checkpoint_rate ? settings.checkpoint_rate : cluster.storage_bandwidth;
  std::string missing;
  const auto need = [&missing](bool has, const char* what) {
    if (!has) {
      missing += (missing.empty() ? "" : ", ") + std::string(what);
    }
  };
  need(mean.has_value(), "failures per node-day (--mtbf)");
  need(restart.has_value(), "restart time (--restart)");
  need(rate.has_value(), "storage bandwidth (--checkpoint-bandwidth)");
  if (!missing.empty()) {
    notes.push_back(
        "goodput is null, and days and cost are without failures: the cluster gives no " + missing);
    return std::nullopt;
  }
  Failures failures;
  failures.checkpoint = request.checkpoint;
  failures.checkpoint_write =
      (request.checkpoint.in(unit::byte) / rate->in(unit::byte / unit::second)) * unit::second;
  failures.interruptions = {
      *mean, settings.checkpoint_stall.value_or(failures.checkpoint_write), *restart};
  // The next checkpoint cannot start before the last one is stored.
  failures.interval = std::max(daly_interval(failures.interruptions),
                               failures.checkpoint_write - failures.interruptions.checkpoint);
  return failures;
}

// Failures of a run are Poisson: their number varies by its root.
Banded<double> goodput_of(Failures& failures, Seconds useful) {
  const double expected = goodput(failures.interruptions, failures.interval);
  failures.expected = useful / failures.interruptions.between_failures / expected;
  const double spread = deviations_at_90_percent / std::sqrt(failures.expected);
  const auto with = [&](double factor) {
    Interruptions other = failures.interruptions;
    other.between_failures = other.between_failures / factor;
    return goodput(other, failures.interval);
  };
  // Fewer than none cannot be: then only the checkpoints take time.
  const double best =
      spread < 1.0 ? with(1.0 - spread)
                   : failures.interval / (failures.interval + failures.interruptions.checkpoint);
  return {with(1.0 + spread), expected, best};
}

void add_energy(RunCost& run, double devices, const Cluster& cluster) {
  if (!cluster.device.power || !cluster.power.server_per_device || !cluster.power.pue) {
    run.notes.emplace_back(
        "energy_kwh is null: the cluster gives no device power, server share or PUE");
    return;
  }
  if (!cluster.power.utilization) {
    run.notes.emplace_back(
        "energy is at the devices' full power, an upper bound: the cluster does not say how much "
        "of it training draws");
  }
  run.power = *cluster.device.power * (devices * cluster.power.utilization.value_or(1.0) *
                                       *cluster.power.server_per_device * *cluster.power.pue);
  const auto energy = [&](Seconds time) { return *run.power * time; };
  run.energy = {energy(run.time.low), energy(run.time.expected), energy(run.time.high)};
  if (!cluster.power.carbon_g_per_kwh) {
    run.notes.emplace_back("co2_kg is null: the cluster gives no carbon intensity");
    return;
  }
  const auto co2 = [&](Joules used) {
    return used.in(unit::kilowatt_hour) * *cluster.power.carbon_g_per_kwh / 1000.0;
  };
  run.co2_kg = {co2(run.energy->low), co2(run.energy->expected), co2(run.energy->high)};
}

void add_cost(RunCost& run, const Cluster& cluster) {
  if (!cluster.economics.price_per_device_hour) {
    run.notes.emplace_back("cost_usd is null: the cluster gives no price per device-hour");
    return;
  }
  const auto cost = [&](Seconds time) {
    return *cluster.economics.price_per_device_hour * time.in(unit::hour);
  };
  run.cost = {
      cost(run.device_time.low), cost(run.device_time.expected), cost(run.device_time.high)};
}

}  // namespace

Bytes checkpoint_size(double parameters, bool is_16_bit) {
  return parameters * (is_16_bit ? 14.0 : 12.0) * unit::byte;
}

RunCost run_cost(const RunRequest& request, const Cluster& cluster, const RunSettings& settings) {
  RunCost run;
  run.steps = std::ceil(request.tokens / request.tokens_per_step);
  const Banded<Seconds> useful = (run.steps / (1.0 - settings.pauses)) * request.step_time;
  run.failures = failures_of(request, cluster, settings, run.notes);
  if (run.failures) {
    run.goodput = goodput_of(*run.failures, useful.expected);
  }
  const Banded<double> share = run.goodput.value_or(Banded<double>{1.0, 1.0, 1.0});
  run.time = {useful.low / share.high, useful.expected / share.expected, useful.high / share.low};
  const std::int64_t paid = request.devices + settings.spare_nodes * cluster.devices_per_node;
  run.device_time = static_cast<double>(paid) * run.time;
  if (run.goodput) {
    run.goodput = (1.0 - settings.pauses) * *run.goodput;
  }
  add_energy(run, static_cast<double>(request.devices), cluster);
  add_cost(run, cluster);
  return run;
}

}  // namespace forerun
