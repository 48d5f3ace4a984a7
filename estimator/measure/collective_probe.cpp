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
constexpr int most_in_batch = 10'000;

// One operation that takes longer is measured in one communicator: repeating half a gigabyte in all
// of them would take the time of all other keys.
constexpr Seconds slow_operation = 1.0 * unit::second;

class Probe {
 public:
  Probe(const CollectivePlace& place, const PlannedCollective& planned, const ProbeGroups& groups)
      : place_(place),
        key_(planned.key),
        form_(planned.in_place ? Form::in_place : Form::out_of_place),
        groups_(groups),
        samples_(groups.all().size()) {}

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

  // All ranks have come through the first. It connected peers, so what follows is no slower.
  void spare_repetitions(Seconds left) {
    operation_ = slowest({first_s_}).front() * static_cast<double>(turns());
    constexpr double in_each = 3.0;  // warm-up, a sample, one back to back
    const double all = in_each * static_cast<double>(trials_.size());
    if (operation_ > slow_operation || !ends_within(left, all)) {
      trials_.resize(1);
      samples_.resize(1);
    }
  }

  /// Whether so many more operations end before `left` has passed since the probe began; the same
  /// on every rank.
  [[nodiscard]] bool ends_within(Seconds left, double operations) {
    if (left == Seconds::infinite()) {
      return true;
    }
    const float here = std::chrono::duration<float>(Clock::now() - begin_).count();
    return slowest({here}).front() + operations * operation_ <= left;
  }

  void warm_up_rest() {
    for (const auto& trial : std::span(trials_).subspan(1)) {
      warm_up(*trial);
    }
  }

  /// In which the step runs it, and which is priced.
  [[nodiscard]] Form form() const { return form_; }

  [[nodiscard]] int communicators() const { return static_cast<int>(trials_.size()); }

  /// Takes `count` samples in every communicator.
  void sample(int count) {
    for (std::size_t i = 0; i < trials_.size(); ++i) {
      std::vector<float> times;
      for (int n = 0; n < count; ++n) {
        times.push_back(longest_turn(*trials_[i]));
        tick();
      }
      for (const Seconds time : slowest(std::move(times))) {
        samples_[i].push_back(key_.op == Collective::send_recv ? 0.5 * time : time);
        const Seconds taken = time * static_cast<double>(turns());
        spent_ += taken;
        operation_ = taken;
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

  /// Whether the few samples were warm-up still: operations that followed took under half of their
  /// time. First touches of memory (a guest's pages, a library's own buffers) can take ten times as
  /// long as the operation, and not only in the first one.
  [[nodiscard]] bool was_warming(Seconds since) const {
    constexpr std::size_t few = 3;
    return samples().size() < few && since < 0.5 * timing_of(samples()).median;
  }

  void forget_samples(Seconds operation) {
    for (auto& of_one : samples_) {
      of_one.clear();
    }
    operation_ = std::min(operation_, operation);
  }

  /// (slowest - fastest) / middle of the communicators' medians.
  [[nodiscard]] double communicator_spread() const {
    std::vector<Seconds> medians;
    for (const auto& of_one : samples_) {
      medians.push_back(timing_of(of_one).median);
    }
    std::ranges::sort(medians);
    return (medians.back() - medians.front()) / medians[medians.size() / 2];
  }

  /// Median over communicators, and so many batches in each, of the mean of operations one after
  /// another. What takes as long as a batch is one by itself.
  [[nodiscard]] std::optional<Seconds> back_to_back(Form form, int batches) {
    if (!trials_.front()->has(form)) {
      return std::nullopt;
    }
    std::vector<Seconds> means;
    const int count = batch_size();
    // Communicators take turns: what disturbs one batch does not disturb the next of its own.
    for (std::size_t i = 0; i < trials_.size() * static_cast<std::size_t>(batches); ++i) {
      CollectiveTrial& trial = *trials_[i % trials_.size()];
      if (count > 1) {
        trial.run(form);
        place_.device.synchronize();
      }
      place_.host_world.barrier();
      const auto start = Clock::now();
      for (int n = 0; n < count; ++n) {
        trial.run(form);
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
    for (int turn = 0; turn < turns(); ++turn) {
      operate(trial, turn);
    }
    place_.device.synchronize();
  }

  // Messages go between neighbours, and not all of them can at once.
  [[nodiscard]] int turns() const {
    return key_.op == Collective::send_recv ? CollectiveTrial::turns(key_.group.ranks) : 1;
  }

  // In seconds, each turn after a barrier: a message that leaves the node counts, wherever it is.
  float longest_turn(CollectiveTrial& trial) const {
    float longest_s = 0.0F;
    for (int turn = 0; turn < turns(); ++turn) {
      place_.host_world.barrier();
      const auto start = Clock::now();
      operate(trial, turn);
      place_.device.synchronize();
      longest_s = std::max(longest_s, std::chrono::duration<float>(Clock::now() - start).count());
    }
    return longest_s;
  }

  void operate(CollectiveTrial& trial, int turn) const {
    if (key_.op == Collective::send_recv) {
      trial.ping_pong(turn);
    } else {
      trial.run(form_);
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
  Form form_;
  const ProbeGroups& groups_;
  std::vector<std::unique_ptr<CollectiveTrial>> trials_;
  std::vector<std::vector<Seconds>> samples_;  ///< of each communicator
  Clock::time_point begin_ = Clock::now();
  float first_s_ = 0.0F;  ///< of the first operation, here
  Seconds operation_;     ///< the same on the slowest rank
  Seconds spent_;
};

// Every rank sees the same maxima, so every rank decides alike.
void sample(Probe& probe, const ProbeLimits& limits) {
  probe.sample(1);
  constexpr int most_in_turn = 3;
  const auto fits = [&](int count) {
    const double operations = static_cast<double>(count) * probe.communicators();
    return probe.spent() * (1.0 + operations / static_cast<double>(probe.samples().size())) <=
               limits.time &&
           probe.ends_within(limits.left, operations);
  };
  while (!is_settled(probe.samples(), limits.tolerance) &&
         std::ssize(probe.samples()) < limits.samples) {
    const int count = fits(most_in_turn) ? most_in_turn : 1;
    if (!fits(count)) {
      return;
    }
    probe.sample(count);
  }
}

// What the time still allows beside the samples that are priced.
void measure_means(CollectiveRecord& record,
                   Probe& probe,
                   const ProbeLimits& limits,
                   ProbeDepth depth) {
  // A key that has time of its own has it for means as well.
  const int batches = limits.time > Seconds() ? 3 : 1;
  const double means = 2.0 * batches * probe.communicators();
  // A check writes and reads the buffers element by element as well.
  constexpr double check = 3.0;
  if (probe.ends_within(limits.left, means)) {
    record.back_to_back = probe.back_to_back(probe.form(), batches);
  }
  if (probe.ends_within(limits.left, check)) {
    record.wrong = probe.wrong(probe.form());
  }
  if (depth != ProbeDepth::compared) {
    return;
  }
  if (probe.ends_within(limits.left, means)) {
    record.in_place = probe.back_to_back(Form::in_place, batches);
  }
  if (probe.ends_within(limits.left, check)) {
    record.in_place_wrong = probe.wrong(Form::in_place);
  }
}

}  // namespace

CollectiveResult probe_collective(const CollectivePlace& place,
                                  const PlannedCollective& planned,
                                  const ProbeGroups& groups,
                                  const ProbeLimits& limits,
                                  ProbeDepth depth) {
  Probe probe(place, planned, groups);
  // All ranks have their buffers before any enters the collective, where it would wait for the
  // rest.
  for (const auto step : {&Probe::allocate, &Probe::warm_up_first, &Probe::warm_up_rest}) {
    if (step == &Probe::warm_up_rest) {
      probe.spare_repetitions(limits.left);
    }
    const std::string complaint = first_complaint(place.host_world, complaint_of([&] {
                                                    (probe.*step)();
                                                    return std::string();
                                                  }));
    if (!complaint.empty()) {
      return complaint;
    }
  }
  if (!probe.ends_within(limits.left, 1.0)) {
    return std::string(out_of_time);
  }
  sample(probe, limits);
  CollectiveRecord record;
  record.key = planned.key;
  record.communicators = probe.communicators();
  record.own_estimate = probe.own_estimate();
  measure_means(record, probe, limits, depth);
  if (record.back_to_back && probe.was_warming(*record.back_to_back)) {
    constexpr int again = 3;
    probe.forget_samples(*record.back_to_back);
    probe.sample(again);
  }
  record.timing = timing_of(probe.samples(), limits.tolerance);
  record.communicator_spread = probe.communicator_spread();
  return record;
}

void complete(CollectiveRecord& record, const CollectiveRecord& earlier) {
  const auto fill = [](auto& part, const auto& known) {
    if (!part) {
      part = known;
    }
  };
  fill(record.back_to_back, earlier.back_to_back);
  fill(record.in_place, earlier.in_place);
  fill(record.wrong, earlier.wrong);
  fill(record.in_place_wrong, earlier.in_place_wrong);
  fill(record.own_estimate, earlier.own_estimate);
}

}  // namespace forerun
