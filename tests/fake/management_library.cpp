// In place of NVIDIA's management library: a GPU at 1755 MHz, limited to 700 W, and two peers. The
// first is behind the same PCIe switch, with two NVLinks between them and four to NVSwitches of
// which the peer has three; the second is on the other socket and has no NVLink.
#include <cstring>

// NVML's own names, and an address to stand for a GPU.
// NOLINTBEGIN(*-identifier-naming, *-global-variables)
namespace {

int the_gpu = 0;
int the_peer = 0;
int the_far_one = 0;

// nvmlPciInfo_t.
struct PciInfo {
  char legacy_id[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned device_id;
  unsigned subsystem_id;
  char id[32];
};

// The first two links of a pair join them, the rest end at switches; one of the peer's is down.
bool has_link(void* device, unsigned link) {
  return (device == &the_gpu && link < 6) || (device == &the_peer && link < 5);
}

}  // namespace

extern "C" {

int nvmlInit_v2() {
  return 0;
}

int nvmlShutdown() {
  return 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char* pci_id, void** device) {
  constexpr int not_found = 6;
  if (std::strcmp(pci_id, "0000:18:00.0") == 0) {
    *device = &the_gpu;
  } else if (std::strcmp(pci_id, "0000:2a:00.0") == 0) {
    *device = &the_peer;
  } else if (std::strcmp(pci_id, "0000:9a:00.0") == 0) {
    *device = &the_far_one;
  } else {
    return not_found;
  }
  return 0;
}

int nvmlDeviceGetTopologyCommonAncestor(void* first, void* second, int* level) {
  const bool is_far = first == &the_far_one || second == &the_far_one;
  *level = is_far ? 50 : 10;
  return 0;
}

int nvmlDeviceGetNvLinkState(void* device, unsigned link, int* is_active) {
  constexpr int not_supported = 3;
  if (device == &the_far_one || link >= 6) {
    return not_supported;
  }
  *is_active = has_link(device, link) ? 1 : 0;
  return 0;
}

int nvmlDeviceGetNvLinkRemoteDeviceType(void* /*device*/, unsigned link, int* type) {
  *type = link < 2 ? 0 : 2;
  return 0;
}

int nvmlDeviceGetNvLinkRemotePciInfo_v2(void* device, unsigned /*link*/, PciInfo* info) {
  *info = PciInfo{};
  info->bus = device == &the_gpu ? 0x2a : 0x18;
  return 0;
}

int nvmlDeviceGetClockInfo(void* device, int type, unsigned* megahertz) {
  constexpr int invalid = 2;
  constexpr int sm = 1;
  if (device != &the_gpu || type != sm) {
    return invalid;
  }
  *megahertz = 1755;
  return 0;
}

int nvmlDeviceGetPowerManagementLimit(void* /*device*/, unsigned* milliwatts) {
  *milliwatts = 700000;
  return 0;
}

int nvmlSystemGetDriverVersion(char* text, unsigned length) {
  std::strncpy(text, "580.65.06", length);
  return 0;
}
}
// NOLINTEND(*-identifier-naming, *-global-variables)
