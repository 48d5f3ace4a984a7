// A device of plain memory whose kernels go wrong in a way of the test's choosing.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>

#include "kernels/device.hpp"
#include "units/unit.hpp"

namespace forerun {

/// Every kernel fills what it writes with zeros, unless `fault` says otherwise for its key; each
/// run takes `time`, a figure and no real time.
class FaultyDevice : public Device {
 public:
  enum class Fault { none, refuses, throws, lacks_memory, writes_nan, skips_last };

  std::function<void(const KernelKey&, std::span<void* const>)> before_run =
      [](const KernelKey&, std::span<void* const>) {};
  std::function<void(CacheState, int)> on_timing = [](CacheState, int) {};
  Bytes free_memory = Bytes::infinite();
  BytesPerSecond fastest_memory = BytesPerSecond::infinite();
  std::optional<double> clock;

  std::function<Fault(const KernelKey&)> fault = [](const KernelKey&) { return Fault::none; };
  std::function<Seconds(const KernelKey&)> time = [](const KernelKey&) {
    return 1e-3 * unit::second;
  };
  std::function<void()> on_run = [] {};
  bool emulates = false;                                             ///< a collective's pressure
  std::int64_t pressed_bytes = 0;                                    ///< that it was asked for
  std::size_t most_bytes = std::numeric_limits<std::size_t>::max();  ///< of one allocation
  std::size_t allocated_bytes = 0;                                   ///< by all, freed or not

  [[nodiscard]] DeviceReport report() const override {
    return {"host", "faulty", 1, 1.0 * unit::gibibyte, 1.0 * unit::mebibyte, {}, ""};
  }

  [[nodiscard]] std::optional<std::string> refuses(const KernelKey& key) const override {
    return fault(key) == Fault::refuses ? std::optional<std::string>("is too hard") : std::nullopt;
  }

  [[nodiscard]] void* allocate(std::size_t bytes) override {
    if (bytes > most_bytes) {
      throw std::bad_alloc();
    }
    allocated_bytes += bytes;
    return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  }

  void release(void* memory) noexcept override { std::free(memory); }

  void copy_in(void* device, const void* host, std::size_t bytes) override {
    std::memcpy(device, host, bytes);
  }

  void copy_out(void* host, const void* device, std::size_t bytes) override {
    std::memcpy(host, device, bytes);
  }

  void set_zero(void* device, std::size_t bytes) override { std::memset(device, 0, bytes); }

  void run(const KernelKey& key,
           std::span<void* const> operands,
           const KernelScalars& /*scalars*/) override {
    on_run();
    before_run(key, operands);
    const Fault what = fault(key);
    if (what == Fault::throws) {
      throw std::runtime_error("the library said no");
    }
    if (what == Fault::lacks_memory) {
      throw std::bad_alloc();
    }
    const auto list = operands_of(key);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].access != Access::read) {
        const auto size = static_cast<std::size_t>(size_of(list[i].type).in(unit::byte));
        const auto elements = static_cast<std::size_t>(list[i].elements);
        const std::size_t written = what == Fault::skips_last ? elements - 1 : elements;
        std::memset(operands[i], what == Fault::writes_nan ? 0xff : 0, written * size);
      }
    }
  }

  void synchronize() override {}

  [[nodiscard]] bool start_pressure(std::int64_t /*blocks*/, std::size_t bytes) override {
    pressed_bytes += static_cast<std::int64_t>(bytes);
    return emulates;
  }

  [[nodiscard]] std::vector<Seconds> time_runs(const KernelKey& key,
                                               std::span<void* const> operands,
                                               int count,
                                               CacheState cache) override {
    on_timing(cache, count);
    run(key, operands, {});
    std::vector<Seconds> samples;
    for (int i = 0; i < count; ++i) {
      samples.push_back(time(key));
    }
    return samples;
  }

  [[nodiscard]] Bytes room() const override { return free_memory; }

  [[nodiscard]] Seconds least_time(Bytes traffic) const override {
    return traffic / fastest_memory;
  }

  [[nodiscard]] std::optional<double> clock_hz() const override { return clock; }

  [[nodiscard]] std::optional<FlopsPerSecond> ceiling(DataType /*type*/) const override {
    return 1e12 * unit::flop / unit::second;
  }

  [[nodiscard]] std::string algorithm_of(const KernelKey& /*key*/) override { return "made up"; }
};

}  // namespace forerun
