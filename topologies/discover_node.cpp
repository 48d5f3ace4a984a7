// Asks hwloc: sockets, NUMA domains, cores, caches, PCI devices; nothing here may fail.
#include "topologies/discover_node.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <hwloc.h>
#include <unistd.h>

#include "topologies/read_cpu_flags.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// PCI base class 3: display controllers; 3D controllers (GPUs without a screen) are among them.
constexpr unsigned display_class = 0x03;

// A loaded hwloc topology, or none where hwloc finds nothing to read.
class Topology {
 public:
  Topology() {
    if (hwloc_topology_init(&topology_) != 0) {
      return;
    }
    hwloc_topology_set_io_types_filter(topology_, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    is_loaded_ = hwloc_topology_load(topology_) == 0;
    if (!is_loaded_) {
      hwloc_topology_destroy(topology_);
    }
  }

  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;
  Topology(Topology&&) = delete;
  Topology& operator=(Topology&&) = delete;

  ~Topology() {
    if (is_loaded_) {
      hwloc_topology_destroy(topology_);
    }
  }

  [[nodiscard]] bool is_loaded() const { return is_loaded_; }

  [[nodiscard]] hwloc_topology_t handle() const { return topology_; }

  [[nodiscard]] hwloc_obj_t root() const { return hwloc_get_root_obj(topology_); }

  [[nodiscard]] std::int64_t count(hwloc_obj_type_t type) const {
    return std::max(0, hwloc_get_nbobjs_by_type(topology_, type));
  }

 private:
  hwloc_topology_t topology_ = nullptr;
  bool is_loaded_ = false;
};

// A bitmap that hwloc allocates.
class CpuSet {
 public:
  CpuSet() : set_(hwloc_bitmap_alloc()) {}

  CpuSet(const CpuSet&) = delete;
  CpuSet& operator=(const CpuSet&) = delete;
  CpuSet(CpuSet&&) = delete;
  CpuSet& operator=(CpuSet&&) = delete;

  ~CpuSet() { hwloc_bitmap_free(set_); }

  [[nodiscard]] hwloc_cpuset_t handle() const { return set_; }

 private:
  hwloc_cpuset_t set_;
};

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Bytes memory_by_pages() {
  const auto pages = static_cast<double>(std::max(sysconf(_SC_PHYS_PAGES), 0L));
  return pages * static_cast<double>(std::max(sysconf(_SC_PAGESIZE), 0L)) * unit::byte;
}

std::string cpu_model(const Topology& topology) {
  const hwloc_obj_t package = hwloc_get_obj_by_type(topology.handle(), HWLOC_OBJ_PACKAGE, 0);
  for (const hwloc_obj_t object : {package, topology.root()}) {
    const char* const model =
        object == nullptr ? nullptr : hwloc_obj_get_info_by_name(object, "CPUModel");
    if (model != nullptr) {
      return model;
    }
  }
  return {};
}

// Cores of which this process may use at least one hardware thread; all if the binding is unknown.
std::int64_t bound_cores(const Topology& topology) {
  const CpuSet allowed;
  const std::int64_t all = topology.count(HWLOC_OBJ_CORE);
  if (hwloc_get_cpubind(topology.handle(), allowed.handle(), HWLOC_CPUBIND_PROCESS) != 0) {
    return all;
  }
  std::int64_t bound = 0;
  for (std::int64_t i = 0; i < all; ++i) {
    const hwloc_obj_t core =
        hwloc_get_obj_by_type(topology.handle(), HWLOC_OBJ_CORE, static_cast<unsigned>(i));
    if (core != nullptr && hwloc_bitmap_intersects(core->cpuset, allowed.handle()) != 0) {
      ++bound;
    }
  }
  return bound;
}

// Sum over all caches of the outermost level that exists.
Bytes last_level_cache(const Topology& topology) {
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L2CACHE}) {
    hwloc_uint64_t total = 0;
    for (hwloc_obj_t cache = hwloc_get_next_obj_by_type(topology.handle(), type, nullptr);
         cache != nullptr;
         cache = hwloc_get_next_obj_by_type(topology.handle(), type, cache)) {
      total += cache->attr->cache.size;
    }
    if (total > 0) {
      return static_cast<double>(total) * unit::byte;
    }
  }
  return {};
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? "" : text;
}

std::string pci_id_of(const hwloc_obj_attr_u::hwloc_pcidev_attr_s& pci) {
  return fmt::format(
      "{:04x}:{:02x}:{:02x}.{:x}", static_cast<unsigned>(pci.domain), pci.bus, pci.dev, pci.func);
}

bool is_gpu(hwloc_obj_t device) {
  return static_cast<unsigned>(device->attr->pcidev.class_id) >> 8U == display_class;
}

// "0000:18:00.0 10de:2330 NVIDIA Corporation GH100"; hwloc knows names only where it has the PCI
// database.
std::vector<std::string> gpus(const Topology& topology) {
  std::vector<std::string> found;
  for (hwloc_obj_t device = hwloc_get_next_pcidev(topology.handle(), nullptr); device != nullptr;
       device = hwloc_get_next_pcidev(topology.handle(), device)) {
    if (!is_gpu(device)) {
      continue;
    }
    const auto& pci = device->attr->pcidev;
    std::string name =
        fmt::format("{} {:04x}:{:04x}", pci_id_of(pci), pci.vendor_id, pci.device_id);
    for (const char* const key : {"PCIVendor", "PCIDevice"}) {
      const std::string part = text_or_empty(hwloc_obj_get_info_by_name(device, key));
      name += part.empty() ? "" : " " + part;
    }
    found.push_back(name);
  }
  return found;
}

// Ethernet interfaces and InfiniBand ports ("eth0", "mlx5_0").
std::vector<std::string> nics(const Topology& topology) {
  std::vector<std::string> found;
  for (hwloc_obj_t device = hwloc_get_next_osdev(topology.handle(), nullptr); device != nullptr;
       device = hwloc_get_next_osdev(topology.handle(), device)) {
    const hwloc_obj_osdev_type_t type = device->attr->osdev.type;
    if (type == HWLOC_OBJ_OSDEV_NETWORK || type == HWLOC_OBJ_OSDEV_OPENFABRICS) {
      found.push_back(text_or_empty(device->name));
    }
  }
  return found;
}

// A device that has a place on PCIe, and what it is called.
struct PlacedDevice {
  std::string name;
  hwloc_obj_t object = nullptr;  ///< its PCI function
};

std::vector<PlacedDevice> placed_gpus(const Topology& topology) {
  std::vector<PlacedDevice> found;
  for (hwloc_obj_t device = hwloc_get_next_pcidev(topology.handle(), nullptr); device != nullptr;
       device = hwloc_get_next_pcidev(topology.handle(), device)) {
    if (is_gpu(device)) {
      found.push_back({pci_id_of(device->attr->pcidev), device});
    }
  }
  return found;
}

std::vector<PlacedDevice> placed_nics(const Topology& topology) {
  std::vector<PlacedDevice> found;
  for (hwloc_obj_t device = hwloc_get_next_osdev(topology.handle(), nullptr); device != nullptr;
       device = hwloc_get_next_osdev(topology.handle(), device)) {
    const hwloc_obj_osdev_type_t type = device->attr->osdev.type;
    const bool is_nic = type == HWLOC_OBJ_OSDEV_NETWORK || type == HWLOC_OBJ_OSDEV_OPENFABRICS;
    if (is_nic && device->parent != nullptr && device->parent->type == HWLOC_OBJ_PCI_DEVICE) {
      found.push_back({text_or_empty(device->name), device->parent});
    }
  }
  return found;
}

// What two PCI functions have in common. Bridges to the host lie below the socket or the machine
// that they belong to.
// NOLINTNEXTLINE(readability-function-cognitive-complexity): the ladder of nvidia-smi's words
std::string path_between(const Topology& topology, hwloc_obj_t first, hwloc_obj_t second) {
  std::vector<hwloc_obj_t> above;
  for (hwloc_obj_t object = first; object != nullptr; object = object->parent) {
    above.push_back(object);
  }
  std::int64_t bridges = 0;
  for (hwloc_obj_t object = second; object != nullptr; object = object->parent) {
    const auto found = std::ranges::find(above, object);
    if (found == above.end()) {
      bridges += object->type == HWLOC_OBJ_BRIDGE ? 1 : 0;
      continue;
    }
    if (object->type == HWLOC_OBJ_PCI_DEVICE) {
      return "same board";
    }
    if (object->type == HWLOC_OBJ_BRIDGE) {
      bridges += std::count_if(
          above.begin(), found, [](hwloc_obj_t below) { return below->type == HWLOC_OBJ_BRIDGE; });
      const bool is_switch = object->attr->bridge.upstream_type == HWLOC_OBJ_BRIDGE_PCI;
      // Each end has the port of the switch above it.
      return !is_switch ? "host bridge" : (bridges <= 2 ? "pcie switch" : "pcie switches");
    }
    const bool is_all = object->type == HWLOC_OBJ_MACHINE;
    return is_all && topology.count(HWLOC_OBJ_NUMANODE) > 1 ? "system" : "numa domain";
  }
  return {};
}

std::vector<DeviceLink> links(const Topology& topology) {
  const auto gpus = placed_gpus(topology);
  const auto nics = placed_nics(topology);
  std::vector<DeviceLink> found;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    for (std::size_t j = i + 1; j < gpus.size(); ++j) {
      found.push_back(
          {gpus[i].name, gpus[j].name, path_between(topology, gpus[i].object, gpus[j].object)});
    }
    for (const PlacedDevice& nic : nics) {
      found.push_back({gpus[i].name, nic.name, path_between(topology, gpus[i].object, nic.object)});
    }
  }
  return found;
}

// CUDA writes PCI ids in capitals.
std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return text;
}

}  // namespace

std::vector<DeviceLink> joined_links(std::vector<DeviceLink> found,
                                     const std::vector<DeviceLink>& known) {
  for (DeviceLink link : known) {
    link.first = lower(std::move(link.first));
    link.second = lower(std::move(link.second));
    const auto same = std::ranges::find_if(found, [&](const DeviceLink& other) {
      return (other.first == link.first && other.second == link.second) ||
             (other.first == link.second && other.second == link.first);
    });
    if (same == found.end()) {
      found.push_back(std::move(link));
      continue;
    }
    link.path = link.path.empty() ? same->path : link.path;
    *same = std::move(link);
  }
  return found;
}

NodeDescription discover_node() {
  NodeDescription node;
  node.host = host_name();
  node.isa = read_cpu_flags();
  const Topology topology;
  if (topology.is_loaded()) {
    node.cpu_model = cpu_model(topology);
    node.sockets = topology.count(HWLOC_OBJ_PACKAGE);
    node.numa_domains = topology.count(HWLOC_OBJ_NUMANODE);
    node.cores = topology.count(HWLOC_OBJ_CORE);
    node.bound_cores = bound_cores(topology);
    node.memory = static_cast<double>(topology.root()->total_memory) * unit::byte;
    node.last_level_cache = last_level_cache(topology);
    node.gpus = gpus(topology);
    node.nics = nics(topology);
    node.links = links(topology);
  }
  if (node.cores == 0) {
    // Without /sys hwloc sees threads at best: take each for a core.
    node.cores = std::max<std::int64_t>(std::thread::hardware_concurrency(), 1);
    node.bound_cores = node.cores;
  }
  // hwloc counts what its NUMA nodes list, which virtual machines sometimes leave incomplete.
  if (node.memory < memory_by_pages()) {
    node.memory = memory_by_pages();
  }
  node.sockets = std::max<std::int64_t>(node.sockets, 1);
  node.numa_domains = std::max<std::int64_t>(node.numa_domains, 1);
  return node;
}

}  // namespace forerun
