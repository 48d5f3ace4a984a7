// The seam between the program and what runs kernels: a CPU (kernels/host) or a GPU (kernels/cuda).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernel_cost.hpp"
#include "kernels/kernel_key.hpp"
#include "kernels/operands.hpp"
#include "topologies/device_link.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What a profile records about the device that it was measured on.
struct DeviceReport {
  std::string kind;        ///< "host" or "cuda"
  std::string name;        ///< CPU model or GPU name
  std::int64_t cores = 0;  ///< cores that this rank drives, or SMs
  Bytes memory;
  Bytes last_level_cache;
  std::vector<std::pair<std::string, std::string>>
      software;                        ///< ("onednn", "2.6.3"), ("driver", ...)
  std::string pci_id;                  ///< empty for a CPU
  std::vector<DeviceLink> links = {};  ///< between the GPUs that this process sees
};

/// `cold`: before each sample the operands leave the caches; the kernel's code need not. `hot`: run
/// back to back.
enum class CacheState { cold, hot };

/// One device of one rank. Not thread-safe. Methods throw std::runtime_error (DeviceError text with
/// call, code, file, line) when a library call fails.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  Device(Device&&) = delete;
  Device& operator=(Device&&) = delete;
  virtual ~Device() = default;

  [[nodiscard]] virtual DeviceReport report() const = 0;

  /// Why this key cannot run here; empty when it can.
  [[nodiscard]] virtual std::optional<std::string> refuses(const KernelKey& key) const = 0;

  /// Memory that `run` takes, at least 64-byte aligned; freed by `release`. Throws std::bad_alloc.
  [[nodiscard]] virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void copy_in(void* device, const void* host, std::size_t bytes) = 0;
  virtual void copy_out(void* host, const void* device, std::size_t bytes) = 0;
  virtual void set_zero(void* device, std::size_t bytes) = 0;

  /// Starts the kernel; on a GPU it runs in order on the device's one compute stream.
  virtual void run(const KernelKey& key,
                   std::span<void* const> operands,
                   const KernelScalars& scalars) = 0;
  /// Waits for everything started.
  virtual void synchronize() = 0;

  /// Times `count` runs of the key, one sample each (a GPU may time short kernels in batches and
  /// report the mean of each batch). The operands' contents are the caller's.
  [[nodiscard]] virtual std::vector<Seconds> time_runs(const KernelKey& key,
                                                       std::span<void* const> operands,
                                                       int count,
                                                       CacheState cache) = 0;

  /// What the library chose for this key, for the record; empty where it does not say.
  [[nodiscard]] virtual std::string algorithm_of(const KernelKey& /*key*/) { return {}; }

  /// A rate of matrix work in this format that the device cannot exceed, from its cores, its
  /// highest clock and what a cycle can do; nothing where that is not known. A faster measurement
  /// is wrong.
  [[nodiscard]] virtual std::optional<FlopsPerSecond> ceiling(DataType /*type*/) const {
    return std::nullopt;
  }

  /// What moving these bytes takes at least; a faster measurement is wrong. Zero where nothing is
  /// known.
  [[nodiscard]] virtual Seconds least_time(Bytes /*traffic*/) const { return {}; }

  /// Memory that can still be allocated: of a CPU this rank's part of what the node has left.
  [[nodiscard]] virtual Bytes room() const { return Bytes::infinite(); }

  /// What `run` allocates beside the operands.
  [[nodiscard]] virtual Bytes scratch(const KernelKey& key) const { return workspace(key); }

  /// The present clock in Hz, where it can be read.
  [[nodiscard]] virtual std::optional<double> clock_hz() const { return std::nullopt; }

  /// Starts a copy of `bytes` (a multiple of 16) by `blocks` thread blocks beside the compute
  /// stream: what a collective's kernel takes of a GPU. False where there is no such thing.
  [[nodiscard]] virtual bool start_pressure(std::int64_t /*blocks*/, std::size_t /*bytes*/) {
    return false;
  }

  /// Waits for it.
  virtual void finish_pressure() {}

  /// The CUDA stream as an opaque pointer; null on a CPU.
  [[nodiscard]] virtual void* stream() const { return nullptr; }
};

/// Which device a rank drives: local rank modulo the visible ones, and the threads it may use.
struct DeviceChoice {
  int local_rank = 0;
  int local_ranks = 1;  ///< ranks on this node
};

/// The symbol that a device module exports: `extern "C" Device* forerun_open_device(...)`. Throws
/// std::runtime_error when there is no such device.
using OpenDevice = Device* (*)(const DeviceChoice& choice);
inline constexpr const char* open_device_symbol = "forerun_open_device";

/// Device memory that frees itself.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;

  DeviceBuffer(Device& device, std::size_t bytes)
      : device_(&device), memory_(device.allocate(bytes)), bytes_(bytes) {}

  DeviceBuffer(DeviceBuffer&& other) noexcept
      : device_(other.device_),
        memory_(std::exchange(other.memory_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}

  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  ~DeviceBuffer() {
    if (memory_ != nullptr) {
      device_->release(memory_);
    }
  }

  [[nodiscard]] void* data() const { return memory_; }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace forerun
