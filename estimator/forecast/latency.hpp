// How fast one copy can think: tiled matrix products, the k rule and the latency wall.
#pragma once

#include "units/quantity.hpp"

namespace forerun {

/// Running at 1/k of the throughput makes each copy k^2 faster (Steinhardt 2023).
struct SpeedTrade {
  double speed_x_human;  ///< k^2 s0, but at most the wall
  double copies;         ///< k^-3 of the copies: k times less throughput, k^2 faster each
};

/// `speed_x_human` and `copies` before the trade, underutilised by `k`; no copy gets faster than
/// `wall_x_human` (1 / latency_min), beyond which copies are only lost.
[[nodiscard]] SpeedTrade k_rule(const SpeedTrade& before, double k, double wall_x_human);

/// Machines as in Steinhardt, "How fast can we perform a forward pass?" (2022).
struct TileMachine {
  FlopsPerSecond compute;          ///< C, one device
  BytesPerSecond memory;           ///< M, one device
  BytesPerSecond network;          ///< B, one machine
  double devices_a_machine = 0.0;  ///< N, laid out sqrt(N) x sqrt(N)
};

/// t = max(4 m b sqrt(N) / B, (4 m b + 2 m^2) / M, 2 m^2 b / C): one m x m weight tile a device,
/// a batch of b tokens, 2-byte values.
[[nodiscard]] Seconds tile_time(const TileMachine& machine, double tile, double batch);

/// The tile and batch of least time at full utilisation, and that time: 54 C^2 / M^3 if
/// B > (2/3) M sqrt(N), else 8 C^2 N / (B^2 (M - B / sqrt(N))).
struct BestTile {
  double tile = 0.0;
  double batch = 0.0;
  Seconds time;
};

[[nodiscard]] BestTile best_tile(const TileMachine& machine);

/// Devices that hold a `rows` x `columns` weight as tiles of `tile` squared.
[[nodiscard]] double devices_of_weight(double rows, double columns, double tile);

/// M^3 / C^2 in 1/s: higher means lower latency.
[[nodiscard]] double fom(FlopsPerSecond compute, BytesPerSecond memory);

/// Erdil 2025, "Inference economics of language models", 2-D tensor parallelism, batch of few.
struct LatencyProblem {
  double parameters = 0.0;
  double layers = 0.0;
  Bytes bytes_per_parameter;
  BytesPerSecond memory;            ///< of one device
  Seconds hop;                      ///< t_hop; the paper takes 1 us
  double reductions_a_layer = 4.0;  ///< n_r of 2-D tensor parallelism
};

struct LatencyWall {
  double devices = 0.0;  ///< G* = (p N / (n_l n_r t_hop B))^(2/3)
  Seconds time;          ///< 3 (n_l n_r t_hop)^(2/3) (p N / B)^(1/3) - 2 n_l n_r t_hop, one token
};

/// t(G) = n_l n_r t_hop 2 (sqrt(G) - 1) + p N / (G B): one token on G devices.
[[nodiscard]] Seconds token_latency(const LatencyProblem& problem, double devices);

/// The least of `token_latency` over G. Holds where G* >= 1.
[[nodiscard]] LatencyWall latency_min(const LatencyProblem& problem);

/// Tokens per second as a multiple of a person's.
[[nodiscard]] double speed_x_human(Seconds per_token, double tokens_per_person_minute);

}  // namespace forerun
