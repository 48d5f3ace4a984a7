// A kernel and a message whose numbers the host cuts out of its matrices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "estimator/rehearse/execution.hpp"
#include "estimator/rehearse/host_matrix.hpp"
#include "estimator/rehearse/stopwatch.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun {

/// Device memory of one call of a kernel: inputs copied in, results read back.
class HostKernelCall {
 public:
  HostKernelCall(const Execution& at, const KernelKey& key);
  HostKernelCall(const HostKernelCall&) = delete;
  HostKernelCall& operator=(const HostKernelCall&) = delete;
  HostKernelCall(HostKernelCall&&) = delete;
  HostKernelCall& operator=(HostKernelCall&&) = delete;
  ~HostKernelCall();

  void give(std::size_t operand, std::span<const float> values, DataType type);
  [[nodiscard]] HostMatrix result(std::size_t operand,
                                  DataType type,
                                  std::int64_t rows,
                                  std::int64_t width) const;
  /// The time of the kernel itself.
  Seconds run(const KernelScalars& scalars);

 private:
  const Execution& at_;
  const KernelKey& key_;
  std::vector<DeviceBuffer> buffers_;
  std::vector<void*> memory_;
};

/// Device memory of one message: what is sent and what arrives, in elements.
class HostMessage {
 public:
  HostMessage(const Execution& at, DataType type, std::int64_t sent, std::int64_t received);
  HostMessage(const HostMessage&) = delete;
  HostMessage& operator=(const HostMessage&) = delete;
  HostMessage(HostMessage&&) = delete;
  HostMessage& operator=(HostMessage&&) = delete;
  ~HostMessage();

  /// Appends to what is sent.
  void write(std::span<const float> values);
  /// Of what arrived, from element `first` on.
  void read(std::int64_t first, std::span<float> values) const;

  /// `move(from, to)` is the transfer; the time until the device is done with it.
  template <typename Move>
  Seconds run(const Move& move) {
    at_.device.synchronize();
    const Stopwatch watch;
    move(out_.data(), in_.data());
    at_.device.synchronize();
    return watch.elapsed();
  }

 private:
  [[nodiscard]] DeviceBuffer take(std::int64_t elements) const;
  [[nodiscard]] void* element(const DeviceBuffer& buffer, std::int64_t index) const;

  const Execution& at_;
  DataType type_;
  DeviceBuffer out_;
  DeviceBuffer in_;
  std::int64_t written_ = 0;
};

}  // namespace forerun
