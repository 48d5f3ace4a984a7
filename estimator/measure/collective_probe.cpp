#include "estimator/measure/collective_probe.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "estimator/measure/statistics.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

class Probe {
 public:
  Probe(const CollectivePlace& place, const PlannedCollective& planned)
      : place_(place),
        key_(planned.key),
        group_(place.groups.of(planned.group)),
        elements_(static_cast<std::int64_t>(static_cast<double>(planned.key.bytes) /
                                            size_of(planned.key.type).in(unit::byte))),
        send_(place.device, static_cast<std::size_t>(planned.key.bytes)),
        receive_(place.device, static_cast<std::size_t>(planned.key.bytes)) {
    // Page faults are paid here, and sums stay finite.
    place.device.set_zero(send_.data(), send_.bytes());
    place.device.set_zero(receive_.data(), receive_.bytes());
  }

  // One operation, in seconds, the maximum over the ranks of the world.
  Seconds once() {
    place_.host_world.barrier();
    const auto start = Clock::now();
    if (group_.size() > 1) {
      run();
    }
    place_.device.synchronize();
    auto seconds = std::chrono::duration<float>(Clock::now() - start).count();
    place_.host_world.all_reduce(&seconds, &seconds, 1, DataType::fp32, ReduceOp::max);
    const double halves = key_.op == Collective::send_recv ? 2.0 : 1.0;
    return static_cast<double>(seconds) / halves * unit::second;
  }

 private:
  void run() {
    void* const send = send_.data();
    void* const receive = receive_.data();
    const std::int64_t share = elements_ / group_.size();
    switch (key_.op) {
      case Collective::all_reduce:
        group_.all_reduce(send, receive, elements_, key_.type, ReduceOp::sum);
        break;
      case Collective::all_gather:
        group_.all_gather(send, receive, share, key_.type);
        break;
      case Collective::reduce_scatter:
        group_.reduce_scatter(send, receive, share, key_.type);
        break;
      case Collective::broadcast:
        group_.broadcast(send, elements_, key_.type, 0);
        break;
      case Collective::all_to_all:
        group_.all_to_all(send, receive, share, key_.type);
        break;
      case Collective::send_recv:
        ping_pong(send, receive);
        break;
    }
  }

  // Even ranks of the group with the odd ones above them; an odd one out rests.
  void ping_pong(void* send, void* receive) {
    const int rank = group_.rank();
    if (rank % 2 == 0 && rank + 1 < group_.size()) {
      group_.start_send(send, elements_, key_.type, rank + 1);
      group_.receive(receive, elements_, key_.type, rank + 1);
    } else if (rank % 2 == 1) {
      group_.receive(receive, elements_, key_.type, rank - 1);
      group_.start_send(send, elements_, key_.type, rank - 1);
    }
    group_.finish_sends();
  }

  const CollectivePlace& place_;
  CollectiveKey key_;
  Communicator& group_;
  std::int64_t elements_;
  DeviceBuffer send_;
  DeviceBuffer receive_;
};

}  // namespace

Timing probe_collective(const CollectivePlace& place,
                        const PlannedCollective& planned,
                        const ProbeLimits& limits) {
  Probe probe(place, planned);
  (void)probe.once();
  std::vector<Seconds> samples;
  Seconds spent;
  int batch = 3;
  bool goes_on = true;
  while (goes_on) {
    // Every rank sees the same maxima, so every rank decides alike.
    for (int i = 0; i < batch; ++i) {
      samples.push_back(probe.once());
      spent += samples.back();
    }
    batch = 5;
    goes_on = !is_settled(samples, limits.tolerance) && spent < limits.time &&
              std::ssize(samples) < limits.samples;
  }
  return timing_of(std::move(samples), limits.tolerance);
}

}  // namespace forerun
