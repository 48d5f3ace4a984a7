#include "estimator/measure/sustained_load.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <vector>

#include "estimator/measure/statistics.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// What a GPU takes to reach its temperature under load (modelling.md 10.1), less on a CPU, whose
// clocks follow within a second.
constexpr Seconds gpu_load = 10.0 * unit::second;
constexpr Seconds cpu_load = 3.0 * unit::second;

const KernelRecord* largest_product(const Profile& profile) {
  const KernelRecord* largest = nullptr;
  for (const KernelRecord& record : profile.kernels) {
    const bool is_product = record.key.op == KernelOp::gemm;
    if (is_product && record.hot &&
        (largest == nullptr ||
         hardware_flops(record.key) / *record.hot > hardware_flops(largest->key) / *largest->hot)) {
      largest = &record;
    }
  }
  return largest;
}

}  // namespace

void warm_up_device(Device& device, OperandArena& arena, const KernelKey& key) {
  const auto start = std::chrono::steady_clock::now();
  if (device.refuses(key) || !arena.lacks_room(key).empty()) {
    return;
  }
  try {
    const auto operands = arena.operands_for(key);
    do {
      device.run(key, operands, KernelScalars{});
      device.synchronize();
    } while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100));
  } catch (const std::exception&) {
    return;  // The probe of this key will say what is wrong with it.
  }
}

std::optional<double> sustained_factor(const Machine& machine,
                                       OperandArena& arena,
                                       const Profile& profile,
                                       Seconds budget,
                                       const std::atomic<bool>* stop) {
  const KernelRecord* const largest = largest_product(profile);
  if (largest == nullptr) {
    return std::nullopt;
  }
  const Seconds load = std::min(profile.device.kind == "host" ? cpu_load : gpu_load, 0.05 * budget);
  const auto operands = arena.operands_for(largest->key);
  std::vector<Seconds> samples;
  Seconds spent;
  do {
    constexpr int batch = 10;
    const auto more = machine.device.time_runs(largest->key, operands, batch, CacheState::hot);
    samples.insert(samples.end(), more.begin(), more.end());
    for (const Seconds sample : more) {
      spent += sample;
    }
  } while (spent < load && (stop == nullptr || !*stop));
  // The first half only warms up.
  samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2));
  auto factor = static_cast<float>(timing_of(std::move(samples)).median / *largest->hot);
  machine.host_world.all_reduce(&factor, &factor, 1, DataType::fp32, ReduceOp::max);
  return std::max(1.0, static_cast<double>(factor));
}

}  // namespace forerun
