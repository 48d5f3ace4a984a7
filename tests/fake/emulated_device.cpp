#include "tests/fake/emulated_device.hpp"

#include <cstring>
#include <new>
#include <stdexcept>

#include <cuda_runtime_api.h>

namespace forerun {

void* EmulatedDevice::allocate(std::size_t bytes) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, bytes) != cudaSuccess) {
    throw std::bad_alloc();
  }
  return memory;
}

void EmulatedDevice::release(void* memory) noexcept {
  static_cast<void>(cudaFree(memory));
}

void EmulatedDevice::copy_in(void* device, const void* host, std::size_t bytes) {
  std::memcpy(device, host, bytes);
}

void EmulatedDevice::copy_out(void* host, const void* device, std::size_t bytes) {
  std::memcpy(host, device, bytes);
}

void EmulatedDevice::set_zero(void* device, std::size_t bytes) {
  std::memset(device, 0, bytes);
}

std::vector<Seconds> EmulatedDevice::time_runs(const KernelKey& /*key*/,
                                               std::span<void* const> /*operands*/,
                                               int /*count*/,
                                               CacheState /*cache*/) {
  throw std::logic_error("an emulated kernel cannot be timed");
}

}  // namespace forerun
