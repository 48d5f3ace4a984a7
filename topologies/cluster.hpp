// A cluster: devices in nodes, and the levels of links between them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topologies/device.hpp"
#include "units/quantity.hpp"

namespace forerun {

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
};

struct Reliability {
  std::optional<double> failures_per_node_day;
};

struct Economics {
  std::optional<Dollars> price_per_device_hour;
  std::string currency;
  std::string date;
  std::string source;
};

struct Power {
  std::optional<double> server_per_device;  ///< server power / device power (host share)
  std::optional<double> pue;
  std::optional<double> carbon_g_per_kwh;
};

/// What people write in a cluster .toml. What is absent stays absent: `null` in results, with a
/// note, never a default.
struct Cluster {
  std::string name;
  DeviceSpec device;
  std::int64_t devices_per_node = 0;
  std::int64_t max_devices = 0;
  std::vector<LinkLevel> levels;        ///< innermost first; the last one joins max_devices
  std::optional<std::string> measured;  ///< path of a profile whose kernels and links replace these
  Reliability reliability;
  Economics economics;
  Power power;
  std::optional<BytesPerSecond> storage_bandwidth;
  std::string source;
};

}  // namespace forerun
