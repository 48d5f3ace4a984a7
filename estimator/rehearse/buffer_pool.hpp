// Device memory that is used again and again, counted.
#pragma once

#include <cstddef>
#include <map>
#include <stdexcept>

#include "kernels/device.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Memory that a rank's device does not have.
class OutOfMemory : public std::runtime_error {
 public:
  /// `requested` bytes beside `held` ones.
  OutOfMemory(Bytes requested, Bytes held);

  [[nodiscard]] Bytes requested() const { return requested_; }

  [[nodiscard]] Bytes held() const { return held_; }

 private:
  Bytes requested_;
  Bytes held_;
};

/// Reuses freed buffers of the same size: an allocation in the middle of a step would be timed as
/// part of it.
class BufferPool {
 public:
  /// `limit`: what the device has for all buffers together.
  BufferPool(Device& device, Bytes limit) : device_(device), limit_(limit) {}

  /// Throws OutOfMemory.
  [[nodiscard]] DeviceBuffer take(std::size_t bytes);
  void give_back(DeviceBuffer buffer);
  /// A buffer that stays: not given back. Throws OutOfMemory.
  [[nodiscard]] DeviceBuffer take_for_good(std::size_t bytes);

  /// The most that was taken at once, with what stays.
  [[nodiscard]] std::size_t peak_bytes() const { return peak_; }

 private:
  [[nodiscard]] DeviceBuffer allocate(std::size_t bytes);

  Device& device_;
  Bytes limit_;
  std::multimap<std::size_t, DeviceBuffer> free_;
  std::size_t live_ = 0;
  std::size_t idle_ = 0;  ///< bytes in `free_`
  std::size_t peak_ = 0;
};

}  // namespace forerun
