// Clock, power limit and driver of a GPU by NVIDIA's management library, where there is one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "topologies/device_link.hpp"

namespace forerun::cuda {

/// Loads the library at run time; nothing is known where it, the GPU or a function is not found.
class ManagementLibrary {
 public:
  /// `pci_id` as cudaDeviceGetPCIBusId writes it; `library` is a name for dlopen.
  explicit ManagementLibrary(const std::string& pci_id, const char* library = "libnvidia-ml.so.1");

  /// The present clock of the SMs in Hz.
  [[nodiscard]] std::optional<double> clock_hz() const;
  /// What the GPU may draw at most, in watts.
  [[nodiscard]] std::optional<double> power_limit_watts() const;
  /// How this GPU and another reach each other: what NVML calls their common ancestor, and NVLinks.
  [[nodiscard]] DeviceLink link_to(const std::string& pci_id) const;
  /// The driver's own version, "580.65.06".
  [[nodiscard]] std::optional<std::string> driver_version() const;

 private:
  struct Close {
    void operator()(void* library) const noexcept;
  };

  struct NvLinks {
    std::int64_t to_peer = 0;
    std::int64_t to_switches = 0;
  };

  template <class Function>
  [[nodiscard]] Function* find(const char* name) const;

  [[nodiscard]] void* handle_of(const std::string& pci_id) const;
  [[nodiscard]] NvLinks nvlinks_of(void* device, const std::string& peer) const;

  std::unique_ptr<void, Close> library_;
  std::string pci_id_;
  void* device_ = nullptr;
};

}  // namespace forerun::cuda
