// What timing a kernel adds to it: samples of Device::time_runs against a bare loop over the same
// kernel, of about 50 us, and against the clock alone.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/host/host_device.hpp"
#include "kernels/kernel_key.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int runs = 400;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// The mean of a loop that reads the clock twice in all.
double bare_loop(Device& device, const KernelKey& key, const std::vector<void*>& operands) {
  const KernelScalars scalars;
  const auto start = Clock::now();
  for (int i = 0; i < runs; ++i) {
    device.run(key, operands, scalars);
  }
  return std::chrono::duration<double>(Clock::now() - start).count() / runs;
}

double harness(Device& device, const KernelKey& key, const std::vector<void*>& operands) {
  std::vector<double> samples;
  for (const Seconds sample : device.time_runs(key, operands, runs, CacheState::hot)) {
    samples.push_back(sample.in(unit::second));
  }
  double sum = 0.0;
  for (const double sample : samples) {
    sum += sample;
  }
  return sum / runs;
}

// Both in turn, so that drift hits both; the median of their ratios is the harness's share.
void harness_share(benchmark::State& state, const std::string& text) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = kernel_key_from(text).value();
  std::vector<DeviceBuffer> buffers;
  std::vector<void*> operands;
  for (const Operand& operand : operands_of(key)) {
    const double bytes =
        static_cast<double>(operand.elements) * size_of(operand.type).in(unit::byte);
    buffers.emplace_back(device, static_cast<std::size_t>(bytes));
    operands.push_back(buffers.back().data());
    device.set_zero(operands.back(), static_cast<std::size_t>(bytes));
  }
  (void)bare_loop(device, key, operands);
  std::vector<double> ratios;
  double kernel = 0.0;
  for (auto _ : state) {
    kernel = bare_loop(device, key, operands);
    ratios.push_back(harness(device, key, operands) / kernel);
  }
  state.counters["kernel_us"] = 1e6 * kernel;
  state.counters["harness_share"] = median(ratios) - 1.0;
}

BENCHMARK_CAPTURE(harness_share, layer_norm, "layer_norm_forward fp32 rows=512 columns=768")
    ->Iterations(50)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(harness_share, gemm, "gemm fp32 m=128 n=256 k=256 nt")
    ->Iterations(50)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace forerun

BENCHMARK_MAIN();
