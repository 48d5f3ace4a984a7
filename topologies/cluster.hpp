// A cluster: devices in nodes, and the levels of links between them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topologies/device.hpp"
#include "topologies/host_memory.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// How the devices of a level are joined.
enum class LinkKind {
  switched,  ///< any device reaches any other at its full rate: NVSwitch, a leaf switch, a fat tree
  torus,     ///< rings along axes; `bandwidth` is the sum of a device's ports
  mesh,      ///< every device has a link of its own to every other; `bandwidth` is their sum
  dragonfly  ///< groups of switches, few links between each two; `bandwidth` is a device's share
};

/// One level of links, innermost first. A group of ranks that spans more than the level below it
/// communicates over this one.
struct LinkLevel {
  std::string name;               ///< "nvlink", "infiniband", "shared memory"
  std::int64_t devices = 0;       ///< how many devices this level joins
  BytesPerSecond bandwidth;       ///< per device, one direction
  Seconds latency;                ///< per message
  double efficiency = 1.0;        ///< fraction of `bandwidth` that large collectives reach
  double oversubscription = 1.0;  ///< 1: non-blocking
  std::string source;
  LinkKind kind = LinkKind::switched;
  /// Torus: devices (of an outer level: domains of the level inside it) along each axis.
  std::vector<std::int64_t> axes = {};
  bool wraps = true;  ///< torus: the axes are rings; false: lines
  /// Separate planes of switches; devices with equal number on their node share one, and reach each
  /// other in one hop.
  std::int64_t rails = 1;
  bool in_network_reduction = false;  ///< switches can reduce: NVLink SHARP, SHARP
};

struct Reliability {
  std::optional<double> failures_per_node_day;
  std::optional<Seconds> restart;  ///< from a failure to the first new step
};

/// Devices that are owned: written off in equal parts over their life.
struct Purchase {
  Dollars per_device;  ///< with its share of server and network
  Seconds lifetime;
  Dollars per_kilowatt_hour;
  double staff_share = 0.0;  ///< of all costs, staff's among them
};

/// What devices cost: rented or owned, not both.
struct Economics {
  std::optional<Dollars> price_per_device_hour;
  std::optional<Purchase> purchase;
  std::string currency;
  std::string date;
  std::string source;
};

struct Power {
  std::optional<double> server_per_device;  ///< server power / device power (host share)
  std::optional<double> pue;
  std::optional<double> utilization;  ///< power that training draws / device power
  std::optional<double> carbon_g_per_kwh;
};

/// What people write in a cluster .toml. What is absent stays absent: `null` in results, with a
/// note, never a default.
struct Cluster {
  std::string name;
  DeviceSpec device;
  std::int64_t devices_per_node = 0;
  std::int64_t devices_per_host = 0;  ///< that a scheduler gives away together; 0: whole nodes
  std::int64_t max_devices = 0;
  std::vector<LinkLevel> levels;        ///< innermost first; the last one joins max_devices
  std::optional<std::string> measured;  ///< path of a profile whose kernels and links replace these
  std::optional<std::string> node_profile;  ///< of catalog/nodes/: collectives inside a node
  std::optional<HostMemory> host;           ///< what --offload moves to
  Reliability reliability;
  Economics economics;
  Power power;
  std::optional<BytesPerSecond> storage_bandwidth;
  std::string source;
};

}  // namespace forerun
