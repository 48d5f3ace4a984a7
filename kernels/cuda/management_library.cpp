// The few functions that are used, declared as NVML's API reference has them: its header is not
// needed to build.
#include "kernels/cuda/management_library.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include <dlfcn.h>

namespace forerun::cuda {

namespace {

constexpr int success = 0;      // NVML_SUCCESS
constexpr int clock_of_sm = 1;  // NVML_CLOCK_SM

// nvmlPciInfo_t.
struct PciInfo {
  std::array<char, 16> legacy_id{};
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;
  unsigned device_id = 0;
  unsigned subsystem_id = 0;
  std::array<char, 32> id{};
};

// Domains are written with four digits or eight.
bool is_at(const PciInfo& info, const std::string& pci_id) {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;
  const int read = std::sscanf(pci_id.c_str(), "%x:%x:%x", &domain, &bus, &device);
  return read == 3 && info.domain == domain && info.bus == bus && info.device == device;
}

// nvmlGpuTopologyLevel_t.
std::string path_of(int level) {
  switch (level) {
    case 0:
      return "same board";
    case 10:
      return "pcie switch";
    case 20:
      return "pcie switches";
    case 30:
      return "host bridge";
    case 40:
      return "numa domain";
    case 50:
      return "system";
    default:
      return {};
  }
}

}  // namespace

void ManagementLibrary::Close::operator()(void* library) const noexcept {
  using Shutdown = int();
  if (auto* shutdown = reinterpret_cast<Shutdown*>(dlsym(library, "nvmlShutdown"))) {
    static_cast<void>(shutdown());
  }
  static_cast<void>(dlclose(library));
}

template <class Function>
Function* ManagementLibrary::find(const char* name) const {
  return library_ ? reinterpret_cast<Function*>(dlsym(library_.get(), name)) : nullptr;
}

ManagementLibrary::ManagementLibrary(const std::string& pci_id, const char* library)
    : library_(dlopen(library, RTLD_NOW | RTLD_LOCAL)), pci_id_(pci_id) {
  auto* init = find<int()>("nvmlInit_v2");
  if (init == nullptr || init() != success) {
    library_.reset();
    return;
  }
  device_ = handle_of(pci_id);
}

void* ManagementLibrary::handle_of(const std::string& pci_id) const {
  auto* handle = find<int(const char*, void**)>("nvmlDeviceGetHandleByPciBusId_v2");
  void* device = nullptr;
  return handle != nullptr && handle(pci_id.c_str(), &device) == success ? device : nullptr;
}

// Active NVLinks of a GPU that end at the peer, and those that end at an NVSwitch.
ManagementLibrary::NvLinks ManagementLibrary::nvlinks_of(void* device,
                                                         const std::string& peer) const {
  constexpr unsigned most_links = 18;  // NVML_NVLINK_MAX_LINKS
  constexpr int to_gpu = 0;            // NVML_NVLINK_DEVICE_TYPE_GPU
  constexpr int to_switch = 2;         // NVML_NVLINK_DEVICE_TYPE_SWITCH
  auto* state = find<int(void*, unsigned, int*)>("nvmlDeviceGetNvLinkState");
  auto* type = find<int(void*, unsigned, int*)>("nvmlDeviceGetNvLinkRemoteDeviceType");
  auto* remote = find<int(void*, unsigned, PciInfo*)>("nvmlDeviceGetNvLinkRemotePciInfo_v2");
  NvLinks links;
  if (state == nullptr || type == nullptr || remote == nullptr) {
    return links;
  }
  for (unsigned link = 0; link < most_links; ++link) {
    int is_active = 0;
    int end = -1;
    PciInfo info;
    if (state(device, link, &is_active) != success || is_active == 0 ||
        type(device, link, &end) != success) {
      continue;
    }
    links.to_switches += end == to_switch ? 1 : 0;
    if (end == to_gpu && remote(device, link, &info) == success && is_at(info, peer)) {
      ++links.to_peer;
    }
  }
  return links;
}

DeviceLink ManagementLibrary::link_to(const std::string& pci_id) const {
  DeviceLink link;
  link.first = pci_id_;
  link.second = pci_id;
  void* const other = handle_of(pci_id);
  if (device_ == nullptr || other == nullptr) {
    return link;
  }
  auto* ancestor = find<int(void*, void*, int*)>("nvmlDeviceGetTopologyCommonAncestor");
  int level = -1;
  if (ancestor != nullptr && ancestor(device_, other, &level) == success) {
    link.path = path_of(level);
  }
  // Switches of one node are joined.
  const NvLinks own = nvlinks_of(device_, pci_id);
  link.nvlinks = own.to_peer + std::min(own.to_switches, nvlinks_of(other, pci_id_).to_switches);
  return link;
}

std::optional<double> ManagementLibrary::clock_hz() const {
  auto* clock = find<int(void*, int, unsigned*)>("nvmlDeviceGetClockInfo");
  unsigned megahertz = 0;
  if (device_ == nullptr || clock == nullptr ||
      clock(device_, clock_of_sm, &megahertz) != success) {
    return std::nullopt;
  }
  return 1e6 * megahertz;
}

std::optional<double> ManagementLibrary::power_limit_watts() const {
  auto* limit = find<int(void*, unsigned*)>("nvmlDeviceGetPowerManagementLimit");
  unsigned milliwatts = 0;
  if (device_ == nullptr || limit == nullptr || limit(device_, &milliwatts) != success) {
    return std::nullopt;
  }
  return 1e-3 * milliwatts;
}

std::optional<std::string> ManagementLibrary::driver_version() const {
  auto* version = find<int(char*, unsigned)>("nvmlSystemGetDriverVersion");
  std::array<char, 81> text{};  // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE is 80
  if (version == nullptr || version(text.data(), text.size() - 1) != success) {
    return std::nullopt;
  }
  return text.data();
}

}  // namespace forerun::cuda
