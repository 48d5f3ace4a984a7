// The CPU as a Device: what the module forerun_host.so gives to the program.
#pragma once

#include <optional>
#include <set>

#include "kernels/device.hpp"
#include "kernels/host/attention.hpp"
#include "kernels/host/cache_flush.hpp"
#include "kernels/host/expert_kernels.hpp"
#include "kernels/host/host_gemm.hpp"
#include "kernels/host/rope.hpp"
#include "kernels/host/scan_kernels.hpp"
#include "kernels/host/unfused_attention.hpp"

namespace forerun::host {

/// Kernels run on the calling thread's OpenMP team and are over when `run` returns.
class HostDevice final : public Device {
 public:
  explicit HostDevice(const DeviceChoice& choice, Bf16Gemm bf16_gemm = fastest_bf16_gemm());

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

  void synchronize() override {}

  [[nodiscard]] std::string algorithm_of(const KernelKey& key) override;
  [[nodiscard]] std::optional<FlopsPerSecond> ceiling(DataType type) const override;
  [[nodiscard]] Seconds least_time(Bytes traffic) const override;
  [[nodiscard]] Bytes room() const override;
  [[nodiscard]] Bytes scratch(const KernelKey& key) const override;
  [[nodiscard]] std::optional<double> clock_hz() const override;

  /// The first time a key is timed it runs once untimed, because oneDNN prepares code for it. Cold
  /// are the operands: before each sample caches are flushed, then the kernel runs on copies.
  [[nodiscard]] std::vector<Seconds> time_runs(const KernelKey& key,
                                               std::span<void* const> operands,
                                               int count,
                                               CacheState cache) override;

 private:
  int threads_;
  int local_ranks_;
  HostGemm gemm_;
  GroupedGemm grouped_gemm_{gemm_};
  Attention attention_{gemm_.bf16()};
  UnfusedAttention unfused_attention_{gemm_.bf16()};
  Conv1dBackward conv1d_backward_;
  Ssd ssd_;
  Rope rope_;
  std::optional<CacheFlush> flush_;  // made when first needed
  std::set<KernelKey> warm_;
};

}  // namespace forerun::host

/// What the program looks up in the module (forerun::open_device_symbol).
extern "C" forerun::Device* forerun_open_device(const forerun::DeviceChoice& choice);
