#include "estimator/run/run_cost.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "units/quantity_text.hpp"
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

// Where failures come faster than a restart and a checkpoint take, no run gets anywhere.
void note_standstill(const Failures& failures, double share, std::vector<std::string>& notes) {
  constexpr double least = 0.01;
  if (share < least) {
    notes.push_back(fmt::format(
        "the run makes next to no progress: something fails every {}, while a restart takes {} and "
        "a checkpoint {}",
        text_of(failures.interruptions.between_failures),
        text_of(failures.interruptions.restart),
        text_of(failures.interruptions.checkpoint)));
  }
}

// Of one device with its share of server and site, while it trains.
std::optional<Watts> power_at_the_wall(const Cluster& cluster) {
  if (!cluster.device.power || !cluster.power.server_per_device || !cluster.power.pue) {
    return std::nullopt;
  }
  return *cluster.device.power * (cluster.power.utilization.value_or(1.0) *
                                  *cluster.power.server_per_device * *cluster.power.pue);
}

void add_energy(RunCost& run, double devices, const Cluster& cluster) {
  const auto one_device = power_at_the_wall(cluster);
  if (!one_device) {
    run.notes.emplace_back(
        "energy_kwh is null: the cluster gives no device power, server share or PUE");
    return;
  }
  if (!cluster.power.utilization) {
    run.notes.emplace_back(
        "energy is at the devices' full power, an upper bound: the cluster does not say how much "
        "of it training draws");
  }
  run.power = devices * *one_device;
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

void add_cost(RunCost& run, double devices, const Cluster& cluster) {
  const auto cost = [&](Seconds device_time, Seconds time) {
    return cost_of(cluster, device_time, devices * time);
  };
  run.cost_parts = cost(run.device_time.expected, run.time.expected);
  if (!run.cost_parts) {
    run.notes.emplace_back(cluster.economics.purchase
                               ? "cost_usd is null: what owned devices draw is not known without "
                                 "device power, server share and PUE"
                               : "cost_usd is null: the cluster gives no price per device-hour");
    return;
  }
  run.cost = {total_of(*cost(run.device_time.low, run.time.low)),
              total_of(*run.cost_parts),
              total_of(*cost(run.device_time.high, run.time.high))};
}

}  // namespace

Dollars total_of(const CostParts& parts) {
  return parts.rent + parts.hardware + parts.energy + parts.staff;
}

std::optional<CostParts> cost_of(const Cluster& cluster,
                                 Seconds device_time,
                                 Seconds training_device_time) {
  CostParts parts;
  if (const auto price = cluster.economics.price_per_device_hour) {
    parts.rent = *price * device_time.in(unit::hour);
    return parts;
  }
  const auto power = power_at_the_wall(cluster);
  if (!cluster.economics.purchase || !power) {
    return std::nullopt;
  }
  const Purchase& owned = *cluster.economics.purchase;
  parts.hardware = owned.per_device * (device_time / owned.lifetime);
  parts.energy = owned.per_kilowatt_hour * (*power * training_device_time).in(unit::kilowatt_hour);
  parts.staff = owned.staff_share / (1.0 - owned.staff_share) * (parts.hardware + parts.energy);
  return parts;
}

std::optional<CalendarDay> end_of(CalendarDay start, Seconds time) {
  constexpr double most = 9999.0 * 366.0;
  const double length = std::floor(time.in(unit::day));
  if (!(length < most)) {
    return std::nullopt;
  }
  const CalendarDay end = start + std::chrono::days(static_cast<int>(length));
  return end < CalendarDay(std::chrono::year(10'000) / 1 / 1) ? std::optional(end) : std::nullopt;
}

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
    note_standstill(*run.failures, run.goodput->expected, run.notes);
  }
  const Banded<double> share = run.goodput.value_or(Banded<double>{1.0, 1.0, 1.0});
  run.time = {useful.low / share.high, useful.expected / share.expected, useful.high / share.low};
  const std::int64_t paid = request.devices + settings.spare_nodes * cluster.devices_per_node;
  run.device_time = static_cast<double>(paid) * run.time;
  if (run.goodput) {
    run.goodput = (1.0 - settings.pauses) * *run.goodput;
  }
  add_energy(run, static_cast<double>(request.devices), cluster);
  add_cost(run, static_cast<double>(request.devices), cluster);
  run.start = settings.start;
  return run;
}

}  // namespace forerun
