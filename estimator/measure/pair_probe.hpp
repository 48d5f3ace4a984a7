// Latency and bandwidth between this rank and one other.
#pragma once

#include "estimator/measure/measure.hpp"
#include "topologies/pair_distance.hpp"

namespace forerun {

/// Two ranks that measure the links between them; both construct it and call the same methods in
/// the same order. Times are taken on each rank's own clock, and both use the longer one, so they
/// decide alike. Messages lie in device memory and travel through the machine's data world. Needs
/// 2 * 16 MiB of device memory (64 MiB each on a GPU). Methods throw what device and communicator
/// throw.
class PairProbe {
 public:
  PairProbe(const Machine& machine, int partner);

  struct Sample {
    double value = 0.0;  ///< the median, or what its method says
    double error = 0.0;  ///< half of the median's 95 % interval, relative to it
  };

  /// Half a round trip of 8 bytes, in seconds; 5 uncounted ones, then 31, or as many as take
  /// `window_s`, 5 at least.
  [[nodiscard]] Sample latency_s(double window_s);
  /// Bytes a second each way while both ranks send and receive, after the latency: messages of
  /// a sixth of `window_s` or as large as the buffers, for the window and three times at least.
  /// The rate is that of all of them together, because connections that share a link take turns.
  [[nodiscard]] Sample exchange_bytes_per_s(double latency_s, double window_s);
  /// Bytes a second from the lower to the higher rank, in messages back to back that take at least
  /// a seventh of `window_s` together; five times. With 350 ms the burst which a shaped link lets
  /// through at once does not count.
  [[nodiscard]] Sample stream_bytes_per_s(double latency_s, double window_s);

 private:
  [[nodiscard]] double longer_of_both(double seconds);
  void round_trip();
  [[nodiscard]] double exchange_s(std::int64_t elements);
  [[nodiscard]] double stream_s(std::int64_t elements, int messages);
  void send(std::int64_t elements);
  void receive(std::int64_t elements);

  Machine machine_;
  int partner_;
  bool is_lower_;
  DeviceBuffer out_;
  DeviceBuffer in_;
};

}  // namespace forerun
