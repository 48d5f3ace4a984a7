#include "estimator/measure/kernel_probe.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <sstream>

#include <fmt/format.h>

#include "estimator/measure/complaint.hpp"
#include "estimator/measure/statistics.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// True on all ranks if it is on any.
bool any_rank(Communicator& world, bool here) {
  float flag = here ? 1.0F : 0.0F;
  world.all_reduce(&flag, &flag, 1, DataType::fp32, ReduceOp::max);
  return flag > 0.0F;
}

// One rank's numbers as text that keeps every bit.
std::string text_of(const Timing& timing) {
  return fmt::format("{} {} {} {} {} {} {} {} {} {}",
                     timing.median.in(unit::second),
                     timing.low.in(unit::second),
                     timing.high.in(unit::second),
                     timing.least.in(unit::second),
                     timing.p95.in(unit::second),
                     timing.mad.in(unit::second),
                     timing.samples,
                     timing.is_unsettled ? 1 : 0,
                     timing.is_drifting ? 1 : 0,
                     timing.is_spread ? 1 : 0);
}

Timing timing_from(const std::string& text) {
  std::istringstream words(text);
  const auto seconds = [&words] {
    double value = 0.0;
    words >> value;
    return value * unit::second;
  };
  Timing timing;
  timing.median = seconds();
  timing.low = seconds();
  timing.high = seconds();
  timing.least = seconds();
  timing.p95 = seconds();
  timing.mad = seconds();
  words >> timing.samples >> timing.is_unsettled >> timing.is_drifting >> timing.is_spread;
  return timing;
}

Timing slowest_of(Communicator& world, const Timing& mine) {
  Timing slowest;
  std::vector<Seconds> medians;
  for (const std::string& text : world.all_gather_text(text_of(mine))) {
    const Timing timing = timing_from(text);
    medians.push_back(timing.median);
    if (timing.median > slowest.median) {
      slowest = timing;
    }
  }
  slowest.rank_spread = (slowest.median - *std::ranges::min_element(medians)) / slowest.median;
  slowest.rank_medians = std::move(medians);
  return slowest;
}

// A few tens of these are still less than anybody minds to wait.
constexpr Seconds longest_short = 100e-3 * unit::second;

// The sampling of one key, once its first run was found in order.
class Sampling {
 public:
  Sampling(const ProbePlace& place,
           const KernelKey& key,
           const ProbeLimits& limits,
           std::span<void* const> operands)
      : place_(place), key_(key), limits_(limits), operands_(operands) {}

  ProbeResult run() {
    int batch = 3;
    do {
      const std::string complaint =
          first_complaint(place_.world, complaint_of([&] { return sample(batch); }));
      if (!complaint.empty()) {
        return complaint;
      }
      batch = 5;
    } while (any_rank(place_.world, wants_more()));
    KernelRecord record;
    record.key = key_;
    const std::string complaint =
        first_complaint(place_.world, complaint_of([&] {
                          record.timing = timing_of(samples_, limits_.tolerance);
                          record.hot = hot_time();
                          record.algorithm = place_.device.algorithm_of(key_);
                          return implausible(record);
                        }));
    if (!complaint.empty()) {
      return complaint;
    }
    record.timing = slowest_of(place_.world, record.timing);
    record.hot = largest(*record.hot);
    record.clock_hz = slowest_clock();
    return record;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // One by one where runs are long, so that whoever stops the program waits for one of them.
  std::string sample(int count) {
    for (int left = count; left > 0 && (left == count || !is_stopped());) {
      const bool is_short = !samples_.empty() && samples_.back() < longest_short;
      const int together = is_short ? left : 1;
      const auto more = place_.device.time_runs(key_, operands_, together, CacheState::cold);
      samples_.insert(samples_.end(), more.begin(), more.end());
      left -= together;
    }
    return {};
  }

  [[nodiscard]] bool is_stopped() const { return limits_.stop != nullptr && *limits_.stop; }

  // A batch of five more must fit into the limit too.
  [[nodiscard]] bool wants_more() const {
    const double spent = std::chrono::duration<double>(Clock::now() - start_).count();
    const double next = spent * (1.0 + 5.0 / static_cast<double>(samples_.size()));
    return !is_stopped() && !is_settled(samples_, limits_.tolerance) &&
           next < limits_.time.in(unit::second) && std::ssize(samples_) < limits_.samples;
  }

  // Once where a run is long: it fills the caches anew, whatever was in them.
  [[nodiscard]] Seconds hot_time() const {
    const int runs = samples_.back() < longest_short ? 5 : 1;
    return timing_of(place_.device.time_runs(key_, operands_, runs, CacheState::hot)).median;
  }

  // Over the ranks.
  [[nodiscard]] Seconds largest(Seconds mine) const {
    Seconds most;
    for (const std::string& text :
         place_.world.all_gather_text(fmt::format("{}", mine.in(unit::second)))) {
      most = std::max(most, std::stod(text) * unit::second);
    }
    return most;
  }

  // Over the ranks, while the kernel's load is fresh; nothing where one of them cannot read it.
  [[nodiscard]] std::optional<double> slowest_clock() const {
    double slowest = std::numeric_limits<double>::infinity();
    for (const std::string& text :
         place_.world.all_gather_text(fmt::format("{}", place_.device.clock_hz().value_or(0.0)))) {
      slowest = std::min(slowest, std::stod(text));
    }
    return slowest > 0.0 ? std::optional(slowest) : std::nullopt;
  }

  [[nodiscard]] std::string implausible(const KernelRecord& record) const {
    const Seconds least = record.timing.least;
    const Bytes traffic = minimum_traffic(key_);
    const auto ceiling = place_.device.ceiling(key_.type);
    if (ceiling && hardware_flops(key_) / least > *ceiling) {
      return fmt::format("implausible: {} is above the device's {}",
                         forerun::text_of(hardware_flops(key_) / least),
                         forerun::text_of(*ceiling));
    }
    if (least < place_.device.least_time(traffic)) {
      return fmt::format("implausible: {} in {}, which takes the device {} at least",
                         forerun::text_of(traffic),
                         forerun::text_of(least),
                         forerun::text_of(place_.device.least_time(traffic)));
    }
    return {};
  }

  const ProbePlace& place_;
  const KernelKey& key_;
  const ProbeLimits& limits_;
  std::span<void* const> operands_;
  Clock::time_point start_ = Clock::now();
  std::vector<Seconds> samples_;
};

}  // namespace

ProbeResult probe_kernel(const ProbePlace& place, const KernelKey& key, const ProbeLimits& limits) {
  // All look at what is free before any of them takes it.
  std::string complaint = first_complaint(place.world, complaint_of([&] {
                                            const auto refusal = place.device.refuses(key);
                                            return refusal ? *refusal : place.arena.lacks_room(key);
                                          }));
  if (!complaint.empty()) {
    return complaint;
  }
  std::span<void* const> operands;
  complaint = first_complaint(place.world, complaint_of([&] {
                                operands = place.arena.operands_for(key);
                                place.device.run(key, operands, KernelScalars{});
                                place.device.synchronize();
                                return place.arena.check_outputs(key);
                              }));
  if (!complaint.empty()) {
    return complaint;
  }
  place.world.barrier();
  return Sampling(place, key, limits, operands).run();
}

}  // namespace forerun
