// Latency of a forward pass, from tiles to the wall that no underutilisation passes.
#include "estimator/forecast/latency.hpp"

#include <algorithm>
#include <cmath>

#include "units/unit.hpp"

namespace forerun {

SpeedTrade k_rule(const SpeedTrade& before, double k, double wall_x_human) {
  return {.speed_x_human = std::min(before.speed_x_human * k * k, wall_x_human),
          .copies = before.copies / (k * k * k)};
}

Seconds tile_time(const TileMachine& machine, double tile, double batch) {
  // Two bytes a value: a tile of activations goes in and another comes out.
  const Bytes activations = 4.0 * tile * batch * unit::byte;
  const Bytes weights = 2.0 * tile * tile * unit::byte;
  const Flops work = 2.0 * tile * tile * batch * unit::flop;
  const Seconds network = activations * std::sqrt(machine.devices_a_machine) / machine.network;
  const Seconds memory = (activations + weights) / machine.memory;
  const Seconds compute = work / machine.compute;
  return std::max({network, memory, compute});
}

BestTile best_tile(const TileMachine& machine) {
  const double side = std::sqrt(machine.devices_a_machine);
  const double intensity =
      machine.compute.in(unit::flop / unit::second) / machine.memory.in(unit::byte / unit::second);
  double tile = 3.0 * intensity;
  double batch = tile;
  const double network_share = machine.network / machine.memory / side;
  if (network_share <= 2.0 / 3.0) {
    tile = 2.0 * intensity / network_share;
    batch = intensity / (1.0 - network_share);
  }
  return {.tile = tile, .batch = batch, .time = tile_time(machine, tile, batch)};
}

double devices_of_weight(double rows, double columns, double tile) {
  return std::ceil(rows / tile) * std::ceil(columns / tile);
}

double fom(FlopsPerSecond compute, BytesPerSecond memory) {
  const double c = compute.in(unit::flop / unit::second);
  const double m = memory.in(unit::byte / unit::second);
  return m * m * m / (c * c);
}

namespace {

Seconds hops(const LatencyProblem& problem) {
  return problem.layers * problem.reductions_a_layer * problem.hop;
}

Seconds weight_reading(const LatencyProblem& problem) {
  return problem.parameters * problem.bytes_per_parameter / problem.memory;
}

}  // namespace

Seconds token_latency(const LatencyProblem& problem, double devices) {
  return 2.0 * (std::sqrt(devices) - 1.0) * hops(problem) + weight_reading(problem) / devices;
}

LatencyWall latency_min(const LatencyProblem& problem) {
  const double devices = std::pow(weight_reading(problem) / hops(problem), 2.0 / 3.0);
  return {.devices = devices, .time = token_latency(problem, devices)};
}

double speed_x_human(Seconds per_token, double tokens_per_person_minute) {
  return unit::minute / tokens_per_person_minute / per_token;
}

}  // namespace forerun
