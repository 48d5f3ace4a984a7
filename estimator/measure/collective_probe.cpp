#include "estimator/measure/collective_probe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <vector>

#include "estimator/measure/collective_trial.hpp"
#include "estimator/measure/complaint.hpp"
#include "estimator/measure/statistics.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

// How long operations run back to back in one communicator before the mean is taken: ranks leave a
// barrier some tens of microseconds apart (one wake-up by the scheduler), 0.3 % of this.
constexpr Seconds batch_time = 20.0 * unit::millisecond;
constexpr int most_in_batch = 1000;

// One operation that takes longer is measured in one communicator: repeating half a gigabyte in all
// of them would take the time of all other keys.
constexpr Seconds slow_operation = 1.0 * unit::second;

class Probe {
 public:
  Probe(const CollectivePlace& place, const CollectiveKey& key, const ProbeGroups& groups)
      : place_(place), key_(key), groups_(groups), samples_(groups.all().size()) {}

  /// One pair of buffers for all communicators: they take turns.
  void allocate() {
    const auto buffers =
        std::make_shared<CollectiveBuffers>(place_.device, static_cast<std::size_t>(key_.bytes));
    for (const auto& group : groups_.all()) {
      trials_.emplace_back(std::make_unique<CollectiveTrial>(place_.device, *group, key_, buffers));
    }
  }

  // The first operation connects peers and registers buffers: it is not counted.
  void warm_up_first() {
    const auto start = Clock::now();
    warm_up(*trials_.front());
    first_s_ = std::chrono::duration<float>(Clock::now() - start).count();
  }

  // All ranks have come through the first.
  void spare_repetitions() {
    if (slowest({first_s_}).front() > slow_operation) {
      trials_.resize(1);
      samples_.resize(1);
    }
  }

  void warm_up_rest() {
    for (const auto& trial : std::span(trials_).subspan(1)) {
      warm_up(*trial);
    }
  }

  [[nodiscard]] int communicators() const { return static_cast<int>(trials_.size()); }

  /// Takes `count` samples in every communicator.
  void sample(int count) {
    for (std::size_t i = 0; i < trials_.size(); ++i) {
      std::vector<float> times;
      for (int n = 0; n < count; ++n) {
        place_.host_world.barrier();
        const auto start = Clock::now();
        operate(*trials_[i]);
        place_.device.synchronize();
        times.push_back(std::chrono::duration<float>(Clock::now() - start).count());
        tick();
      }
      for (const Seconds time : slowest(std::move(times))) {
        samples_[i].push_back(key_.op == Collective::send_recv ? 0.5 * time : time);
        spent_ += time;
      }
    }
  }

  [[nodiscard]] std::vector<Seconds> samples() const {
    // Taken in turns, so that drift is not taken for a difference between communicators.
    std::vector<Seconds> all;
    for (std::size_t n = 0; n < samples_.front().size(); ++n) {
      for (const auto& of_one : samples_) {
        all.push_back(of_one[n]);
      }
    }
    return all;
  }

  [[nodiscard]] Seconds spent() const { return spent_; }

  /// (slowest - fastest) / middle of the communicators' medians.
  [[nodiscard]] double communicator_spread() const {
    std::vector<Seconds> medians;
    for (const auto& of_one : samples_) {
      medians.push_back(timing_of(of_one).median);
    }
    std::ranges::sort(medians);
    return (medians.back() - medians.front()) / medians[medians.size() / 2];
  }

  /// Median over communicators of the mean of operations one after another. What takes as long as a
  /// batch is one by itself.
  [[nodiscard]] std::optional<Seconds> back_to_back(Form form) {
    if (!trials_.front()->has(form)) {
      return std::nullopt;
    }
    std::vector<Seconds> means;
    const int count = batch_size();
    for (const auto& trial : trials_) {
      if (count > 1) {
        trial->run(form);
        place_.device.synchronize();
      }
      place_.host_world.barrier();
      const auto start = Clock::now();
      for (int n = 0; n < count; ++n) {
        trial->run(form);
        tick();
      }
      place_.device.synchronize();
      const auto seconds = std::chrono::duration<float>(Clock::now() - start).count();
      means.push_back(slowest({seconds / static_cast<float>(count)}).front());
    }
    return timing_of(std::move(means)).median;
  }

  [[nodiscard]] std::optional<std::int64_t> wrong(Form form) {
    CollectiveTrial& trial = *trials_.front();
    if (!trial.has(form)) {
      return std::nullopt;
    }
    const auto here = trial.count_wrong(form, [this] { tick(); });
    if (!here) {
      return std::nullopt;
    }
    auto total = static_cast<std::int32_t>(std::min<std::int64_t>(*here, most_wrong));
    place_.host_world.all_reduce(&total, &total, 1, DataType::int32, ReduceOp::sum);
    return total;
  }

  [[nodiscard]] std::optional<Seconds> own_estimate() { return trials_.front()->own_estimate(); }

 private:
  // Summed over ranks in 32 bits.
  static constexpr std::int64_t most_wrong = 100'000;

  void tick() const {
    if (place_.watch != nullptr) {
      place_.watch->tick();
    }
  }

  void warm_up(CollectiveTrial& trial) const {
    operate(trial);
    place_.device.synchronize();
  }

  void operate(CollectiveTrial& trial) const {
    if (key_.op == Collective::send_recv) {
      trial.ping_pong();
    } else {
      trial.run(Form::out_of_place);
    }
  }

  // As every rank sees the same samples, every rank chooses alike.
  [[nodiscard]] int batch_size() const {
    const double wanted = batch_time / timing_of(samples()).median;
    return static_cast<int>(std::clamp(std::ceil(wanted), 1.0, double{most_in_batch}));
  }

  // Element by element the maximum over the ranks of the world.
  [[nodiscard]] std::vector<Seconds> slowest(std::vector<float> times) {
    place_.host_world.all_reduce(times.data(),
                                 times.data(),
                                 static_cast<std::int64_t>(times.size()),
                                 DataType::fp32,
                                 ReduceOp::max);
    std::vector<Seconds> all;
    all.reserve(times.size());
    for (const float time : times) {
      all.push_back(static_cast<double>(time) * unit::second);
    }
    return all;
  }

  const CollectivePlace& place_;
  CollectiveKey key_;
  const ProbeGroups& groups_;
  std::vector<std::unique_ptr<CollectiveTrial>> trials_;
  std::vector<std::vector<Seconds>> samples_;  ///< of each communicator
  float first_s_ = 0.0F;                       ///< of the first operation, here
  Seconds spent_;
};

}  // namespace

CollectiveResult probe_collective(const CollectivePlace& place,
                                  const PlannedCollective& planned,
                                  const ProbeGroups& groups,
                                  const ProbeLimits& limits,
                                  ProbeDepth depth) {
  Probe probe(place, planned.key, groups);
  // All ranks have their buffers before any enters the collective, where it would wait for the
  // rest.
  for (const auto step : {&Probe::allocate, &Probe::warm_up_first, &Probe::warm_up_rest}) {
    if (step == &Probe::warm_up_rest) {
      probe.spare_repetitions();
    }
    const std::string complaint = first_complaint(place.host_world, complaint_of([&] {
                                                    (probe.*step)();
                                                    return std::string();
                                                  }));
    if (!complaint.empty()) {
      return complaint;
    }
  }
  int batch = 1;
  do {
    probe.sample(batch);
    batch = 3;
    // Every rank sees the same maxima, so every rank decides alike.
  } while (!is_settled(probe.samples(), limits.tolerance) && probe.spent() < limits.time &&
           std::ssize(probe.samples()) < limits.samples);
  CollectiveRecord record;
  record.key = planned.key;
  record.timing = timing_of(probe.samples(), limits.tolerance);
  record.communicators = probe.communicators();
  record.communicator_spread = probe.communicator_spread();
  record.back_to_back = probe.back_to_back(Form::out_of_place);
  record.wrong = probe.wrong(Form::out_of_place);
  record.own_estimate = probe.own_estimate();
  if (depth == ProbeDepth::compared) {
    record.in_place = probe.back_to_back(Form::in_place);
    record.in_place_wrong = probe.wrong(Form::in_place);
  }
  return record;
}

}  // namespace forerun
