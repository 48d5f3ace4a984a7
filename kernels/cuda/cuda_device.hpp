// One NVIDIA GPU as a Device: memory, kernels on one stream, timing, and what it is.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

#include "kernels/cuda/handles.hpp"
#include "kernels/cuda/kernel_launcher.hpp"
#include "kernels/cuda/kernel_timer.hpp"
#include "kernels/cuda/management_library.hpp"
#include "kernels/cuda/pressure.hpp"
#include "kernels/device.hpp"

namespace forerun::cuda {

/// Makes its GPU the current device of the thread that constructs it, and stays on that thread.
class CudaDevice final : public Device {
 public:
  /// The GPU `local_rank` modulo the visible ones. Throws std::runtime_error when there is no
  /// driver or no GPU.
  explicit CudaDevice(const DeviceChoice& choice);

  [[nodiscard]] DeviceReport report() const override;
  [[nodiscard]] std::optional<std::string> refuses(const KernelKey& key) const override;

  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void copy_in(void* device, const void* host, std::size_t bytes) override;
  void copy_out(void* host, const void* device, std::size_t bytes) override;
  void set_zero(void* device, std::size_t bytes) override;

  void run(const KernelKey& key,
           std::span<void* const> operands,
           const KernelScalars& scalars) override;
  void synchronize() override;
  /// With default scalars.
  [[nodiscard]] std::vector<Seconds> time_runs(const KernelKey& key,
                                               std::span<void* const> operands,
                                               int count,
                                               CacheState cache) override;

  [[nodiscard]] std::string algorithm_of(const KernelKey& key) override;
  [[nodiscard]] std::optional<FlopsPerSecond> ceiling(DataType type) const override;

  [[nodiscard]] Seconds least_time(Bytes traffic) const override;
  [[nodiscard]] Bytes room() const override;

  [[nodiscard]] std::optional<double> clock_hz() const override { return management_.clock_hz(); }

  [[nodiscard]] bool start_pressure(std::int64_t blocks, std::size_t bytes) override;
  void finish_pressure() override;

  [[nodiscard]] void* stream() const override { return stream_.raw(); }

 private:
  int ordinal_;
  cudaDeviceProp properties_;
  Stream stream_;
  KernelLauncher launcher_;
  KernelTimer timer_;
  ManagementLibrary management_;
  Pressure pressure_;
};

}  // namespace forerun::cuda
