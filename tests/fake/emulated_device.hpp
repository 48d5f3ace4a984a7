// Our own CUDA kernels as a Device, run by the emulation.
#pragma once

#include <span>
#include <vector>

#include "kernels/cuda/own_kernels.hpp"
#include "kernels/device.hpp"

namespace forerun {

class EmulatedDevice final : public Device {
 public:
  [[nodiscard]] DeviceReport report() const override { return {}; }

  [[nodiscard]] std::optional<std::string> refuses(const KernelKey& key) const override {
    return cuda::OwnKernels::refuses(key);
  }

  [[nodiscard]] void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void copy_in(void* device, const void* host, std::size_t bytes) override;
  void copy_out(void* host, const void* device, std::size_t bytes) override;
  void set_zero(void* device, std::size_t bytes) override;

  void run(const KernelKey& key,
           std::span<void* const> operands,
           const KernelScalars& scalars) override {
    kernels_.launch(key, operands, scalars);
  }

  void synchronize() override {}

  /// Throws std::logic_error: an emulation has no speed.
  [[nodiscard]] std::vector<Seconds> time_runs(const KernelKey& key,
                                               std::span<void* const> operands,
                                               int count,
                                               CacheState cache) override;

 private:
  cuda::OwnKernels kernels_{nullptr};
};

}  // namespace forerun
