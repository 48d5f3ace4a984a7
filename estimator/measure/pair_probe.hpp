// Latency and bandwidth between this rank and one other.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/measure/measure.hpp"
#include "topologies/pair_distance.hpp"

namespace forerun {

/// Two ranks that measure the links between them; both construct it and call the same methods in
/// the same order. Times are taken on each rank's own clock, and both use the longer one, so they
/// decide alike. Messages lie in device memory and travel through the machine's data world. Methods
/// throw what device and communicator throw.
class PairProbe {
 public:
  /// What is sent and received: 16 MiB each in host memory, 64 MiB on a GPU. Page faults are paid
  /// here.
  struct Buffers {
    explicit Buffers(Device& device);

    DeviceBuffer out;
    DeviceBuffer in;
  };

  /// `buffers` must outlive the probe.
  PairProbe(const Machine& machine, Buffers& buffers, int partner);

  struct Sample {
    double value = 0.0;  ///< the median, or what its method says
    double error = 0.0;  ///< half of the median's 95 % interval, relative to it
  };

  /// Half a round trip of 8 bytes, in seconds; 5 uncounted ones, then 31, or as many as take
  /// `window_s`, 5 at least.
  [[nodiscard]] Sample latency_s(double window_s);
  /// Bytes a second each way while both ranks send and receive, after the latency: messages of
  /// a sixth of `window_s` or as large as the buffers, for the window and three times at least.
  /// The rate is that of all of them together, because connections that share a link take turns;
  /// the two ranks seldom ask each other for the time, for that waits in the queue of a loaded
  /// link.
  [[nodiscard]] Sample exchange_bytes_per_s(double latency_s, double window_s);
  /// The same with as many bytes as take `window_s` at `rate` bytes a second, whatever they take:
  /// pairs that are told the same rate move the same.
  [[nodiscard]] Sample exchange_at(double rate, double latency_s, double window_s);
  /// Bytes a second from the lower to the higher rank, in messages back to back that take at least
  /// a seventh of `window_s` together; five times. With 350 ms the burst which a shaped link lets
  /// through at once does not count.
  [[nodiscard]] Sample stream_bytes_per_s(double latency_s, double window_s);

 private:
  [[nodiscard]] double longer_of_both(double seconds);
  void round_trip();

  /// Messages both ways, one after the other.
  struct Exchange {
    double bytes = 0.0;
    double spent_s = 0.0;        ///< on the slower of both
    std::vector<double> each_s;  ///< here
  };

  [[nodiscard]] Exchange exchange(std::int64_t elements, int messages);
  [[nodiscard]] static Sample rate_of(const Exchange& done, double latency_s);
  [[nodiscard]] double stream_s(std::int64_t elements, int messages);
  void send(std::int64_t elements);
  void receive(std::int64_t elements);

  Machine machine_;
  int partner_;
  bool is_lower_;
  DeviceBuffer& out_;
  DeviceBuffer& in_;
};

}  // namespace forerun
