// From TOML to Cluster: which keys there are, and what must hold between them.
#include "topologies/read_cluster.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>
#include <span>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "topologies/cluster_table.hpp"
#include "topologies/device_profile.hpp"
#include "topologies/level_rates.hpp"
#include "topologies/node_profile.hpp"
#include "units/catalog_file.hpp"
#include "units/data_folder.hpp"
#include "units/data_type.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"
#include "units/unit.hpp"

namespace forerun {

std::span<const CatalogFile> catalog_cluster_files();

namespace {

constexpr std::string_view nvfp4 = "nvfp4";  // no data type: operands of blocks with scales

void read_peaks(const toml::table& table, const std::string& file, DeviceSpec& device) {
  const ClusterTable peaks(table,
                           "[device.peak]",
                           file,
                           {"bf16", "fp16", "fp32", "fp8_e4m3", "fp8_e5m2", "int32", nvfp4});
  for (const auto& entry : table) {
    const FlopsPerSecond rate = peaks.flop_rate(entry.first.str());
    if (entry.first.str() == nvfp4) {
      device.nvfp4_peak = rate;
    } else {  // the other names that the table knows are those of the data types
      device.peak[*data_type_from(entry.first.str())] = rate;
    }
  }
}

ClassEfficiency read_efficiency(const toml::table& table, const std::string& file) {
  const ClusterTable keys(
      table,
      "[device.efficiency]",
      file,
      {"gemm", "attention_forward", "attention_backward", "memory", "launch", "source"});
  return {.gemm_fraction = keys.fraction("gemm"),
          .attention_forward_fraction = keys.fraction("attention_forward"),
          .attention_backward_fraction = keys.fraction("attention_backward"),
          .memory_fraction = keys.fraction("memory"),
          .launch = keys.time("launch"),
          .source = keys.text("source")};
}

// The name of a catalog file, which must be there.
std::optional<std::string> known_name(const ClusterTable& keys,
                                      std::string_view key,
                                      const std::vector<std::string>& known) {
  auto name = keys.optional_text(key);
  if (name && std::ranges::find(known, *name) == known.end()) {
    keys.fail(key,
              fmt::format("{} '{}' is not in the catalog: did you mean '{}'? Expected {}",
                          key,
                          *name,
                          nearest(*name, known),
                          listed(known)));
  }
  return name;
}

DeviceSpec read_device(const toml::table& table, const std::string& file) {
  const ClusterTable keys(table,
                          "[device]",
                          file,
                          {"name",
                           "peak",
                           "memory",
                           "memory_bandwidth",
                           "power",
                           "cores",
                           "efficiency",
                           "profile",
                           "source"});
  DeviceSpec device;
  device.name = keys.text("name");
  const toml::table* const peak = keys.optional_table("peak");
  if (peak == nullptr || peak->empty()) {
    keys.fail("peak", "[device] has no peak: expected [device.peak] with bf16 = \"989 TFLOP/s\"");
  }
  read_peaks(*peak, file, device);
  device.memory = keys.bytes("memory");
  device.memory_bandwidth = keys.rate("memory_bandwidth");
  device.power = keys.optional_power("power");
  device.cores = keys.optional_count("cores");
  device.source = keys.text("source");
  device.profile = known_name(keys, "profile", catalog_device_profiles());
  if (const toml::table* const efficiency = keys.optional_table("efficiency")) {
    device.efficiency = read_efficiency(*efficiency, file);
  }
  return device;
}

ClusterTable level_table(const toml::table& table, const std::string& file) {
  return {table,
          "[[level]]",
          file,
          {"name",
           "devices",
           "bandwidth",
           "latency",
           "efficiency",
           "oversubscription",
           "kind",
           "axes",
           "wraps",
           "rails",
           "in_network_reduction",
           "source"}};
}

LinkLevel read_level(const ClusterTable& keys) {
  LinkLevel level;
  level.name = keys.text("name");
  level.devices = keys.count("devices");
  level.bandwidth = keys.rate("bandwidth");
  level.latency = keys.time("latency");
  level.efficiency = keys.optional_fraction("efficiency").value_or(1.0);
  level.oversubscription = keys.optional_number("oversubscription", 1.0, no_limit).value_or(1.0);
  level.source = keys.text("source");
  if (const auto kind = keys.optional_choice("kind", link_kind_names())) {
    level.kind = static_cast<LinkKind>(*kind);
  }
  level.axes = keys.counts("axes");
  level.wraps = keys.optional_flag("wraps").value_or(true);
  level.rails = keys.optional_count("rails").value_or(1);
  level.in_network_reduction = keys.optional_flag("in_network_reduction").value_or(false);
  return level;
}

// The axes of a torus hold all that it joins, other kinds have none; only devices form a mesh.
void check_kind(const ClusterTable& keys, const LinkLevel& level, std::int64_t inside) {
  if (level.kind != LinkKind::torus) {
    if (!level.axes.empty()) {
      keys.fail("axes", "only a level of kind \"torus\" has axes");
    }
    if (level.kind == LinkKind::mesh && inside > 1) {
      keys.fail("kind", "only the first level can be a \"mesh\": links between single devices");
    }
    return;
  }
  const std::int64_t joined =
      std::accumulate(level.axes.begin(), level.axes.end(), std::int64_t{1}, std::multiplies<>());
  if (level.axes.empty() || joined * inside != level.devices) {
    keys.fail(
        "axes",
        fmt::format("the axes of level '{}' hold {}: expected {}, the devices that it joins{}",
                    level.name,
                    joined,
                    level.devices / inside,
                    inside > 1 ? " over those of the level inside it" : ""));
  }
}

// `level` must join a whole number of what the level inside it joins.
void check_nesting(const ClusterTable& keys, const LinkLevel& level, const LinkLevel& inside) {
  if (level.devices <= inside.devices || level.devices % inside.devices != 0) {
    keys.fail("devices",
              fmt::format("level '{}' joins {} devices: expected a multiple of the {} of '{}'",
                          level.name,
                          level.devices,
                          inside.devices,
                          inside.name));
  }
}

// Levels nest: the first is the node, each next one joins more, the last one all of it.
std::vector<LinkLevel> read_levels(const ClusterTable& keys,
                                   const Cluster& cluster,
                                   const std::string& file) {
  std::vector<LinkLevel> levels;
  for (const toml::table* const table : keys.tables("level")) {
    const ClusterTable level_keys = level_table(*table, file);
    const LinkLevel level = read_level(level_keys);
    if (std::ranges::find(levels, level.name, &LinkLevel::name) != levels.end()) {
      level_keys.fail("name", "a level before this one is called '" + level.name + "' too");
    }
    if (!levels.empty()) {
      check_nesting(level_keys, level, levels.back());
    } else if (cluster.devices_per_node > 1 && level.devices != cluster.devices_per_node) {
      level_keys.fail("devices",
                      fmt::format("the first level joins {} devices: expected devices_per_node, {}",
                                  level.devices,
                                  cluster.devices_per_node));
    }
    check_kind(level_keys, level, levels.empty() ? 1 : levels.back().devices);
    levels.push_back(level);
  }
  if (levels.back().devices != cluster.max_devices) {
    keys.fail("max_devices",
              fmt::format("max_devices is {}, but the last level, '{}', joins {}",
                          cluster.max_devices,
                          levels.back().name,
                          levels.back().devices));
  }
  return levels;
}

std::optional<Purchase> read_purchase(const ClusterTable& keys) {
  const auto price = keys.optional_number("purchase_per_device", 0.0, no_limit);
  if (!price) {
    for (const char* key : {"lifetime", "electricity_per_kwh", "staff_share"}) {
      if (keys.has(key)) {
        keys.fail(key, fmt::format("{} is of owned devices: expected purchase_per_device", key));
      }
    }
    return std::nullopt;
  }
  Purchase purchase;
  purchase.per_device = *price * unit::dollar;
  purchase.lifetime = keys.time("lifetime");
  purchase.per_kilowatt_hour = keys.number("electricity_per_kwh", 0.0, no_limit) * unit::dollar;
  purchase.staff_share = keys.number("staff_share", 0.0, 1.0);
  if (purchase.staff_share == 1.0) {
    keys.fail("staff_share", "staff_share is 1, which leaves nothing for the machines");
  }
  return purchase;
}

Economics read_economics(const toml::table& table, const std::string& file) {
  const ClusterTable keys(table,
                          "[economics]",
                          file,
                          {"price_per_device_hour",
                           "purchase_per_device",
                           "lifetime",
                           "electricity_per_kwh",
                           "staff_share",
                           "currency",
                           "date",
                           "source"});
  Economics economics;
  if (const auto price = keys.optional_number("price_per_device_hour", 0.0, no_limit)) {
    economics.price_per_device_hour = *price * unit::dollar;
  }
  economics.purchase = read_purchase(keys);
  if (economics.price_per_device_hour && economics.purchase) {
    keys.fail("purchase_per_device",
              "devices are rented or bought: expected price_per_device_hour or "
              "purchase_per_device, not both");
  }
  if (economics.price_per_device_hour || economics.purchase) {
    // A price means nothing without its currency, day and origin.
    economics.currency = keys.text("currency");
    economics.date = keys.text("date");
    economics.source = keys.text("source");
    if (economics.currency != "USD") {
      keys.fail("currency",
                fmt::format("currency '{}' is not known: expected \"USD\"", economics.currency));
    }
  }
  return economics;
}

Power read_power(const toml::table& table, const std::string& file) {
  const ClusterTable keys(
      table,
      "[power]",
      file,
      {"server_per_device", "pue", "utilization", "carbon_g_per_kwh", "source"});
  return {.server_per_device = keys.optional_number("server_per_device", 1.0, no_limit),
          .pue = keys.optional_number("pue", 1.0, no_limit),
          .utilization = keys.optional_fraction("utilization"),
          .carbon_g_per_kwh = keys.optional_number("carbon_g_per_kwh", 0.0, no_limit)};
}

// Peaks bound what is reached, and whole links are shared by the devices of a node.
HostMemory read_host(const toml::table& table, const std::string& file, const Cluster& cluster) {
  const ClusterTable keys(table,
                          "[host]",
                          file,
                          {"link",
                           "link_peak",
                           "link_rate",
                           "sharing",
                           "memory",
                           "memory_bandwidth",
                           "memory_efficiency",
                           "error",
                           "source"});
  if (!cluster.device.is_gpu()) {
    keys.fail("memory", "[host] is memory beside devices, which those with cores have not");
  }
  HostMemory host;
  host.link = keys.text("link");
  host.link_peak = keys.rate("link_peak");
  host.link_rate = keys.rate("link_rate");
  if (host.link_rate > host.link_peak) {
    keys.fail("link_rate", "link_rate is above link_peak: expected what copies reach of it");
  }
  host.sharing = keys.optional_count("sharing").value_or(1);
  if (cluster.devices_per_node % host.sharing != 0) {
    keys.fail("sharing",
              fmt::format("{} devices share a link: expected a divisor of devices_per_node, {}",
                          host.sharing,
                          cluster.devices_per_node));
  }
  host.size = keys.bytes("memory");
  host.bandwidth = keys.rate("memory_bandwidth");
  host.efficiency = keys.optional_fraction("memory_efficiency").value_or(1.0);
  host.relative_error = keys.optional_number("error", 0.0, 1.0).value_or(0.0);
  host.source = keys.text("source");
  return host;
}

// The tables that may be absent, and then leave their values absent.
void read_optional_tables(const ClusterTable& keys, const std::string& file, Cluster& cluster) {
  if (const toml::table* const table = keys.optional_table("reliability")) {
    const ClusterTable reliability(
        *table, "[reliability]", file, {"failures_per_node_day", "restart", "source"});
    cluster.reliability.failures_per_node_day =
        reliability.optional_number("failures_per_node_day", 0.0, no_limit);
    cluster.reliability.restart = reliability.optional_time("restart");
  }
  if (const toml::table* const table = keys.optional_table("economics")) {
    cluster.economics = read_economics(*table, file);
  }
  if (const toml::table* const table = keys.optional_table("power")) {
    cluster.power = read_power(*table, file);
  }
  if (const toml::table* const table = keys.optional_table("storage")) {
    const ClusterTable storage(*table, "[storage]", file, {"bandwidth", "source"});
    cluster.storage_bandwidth = storage.optional_rate("bandwidth");
  }
  if (const toml::table* const table = keys.optional_table("host")) {
    cluster.host = read_host(*table, file, cluster);
  }
}

ClusterTable keys_of(const toml::table& root, const std::string& file) {
  return ClusterTable(root,
                      "the file",
                      file,
                      {"name",
                       "devices_per_node",
                       "devices_per_host",
                       "max_devices",
                       "measured",
                       "node_profile",
                       "source",
                       "device",
                       "host",
                       "level",
                       "reliability",
                       "economics",
                       "power",
                       "storage"});
}

std::int64_t read_devices_per_host(const ClusterTable& keys, std::int64_t devices_per_node) {
  const std::int64_t devices = keys.optional_count("devices_per_host").value_or(0);
  if (devices > 0 && devices_per_node % devices != 0) {
    keys.fail("devices_per_host",
              fmt::format("a host has {} devices: expected a divisor of devices_per_node, {}",
                          devices,
                          devices_per_node));
  }
  return devices;
}

Cluster cluster_from(const toml::table& root, const std::string& file) {
  const ClusterTable keys = keys_of(root, file);
  Cluster cluster;
  cluster.name = keys.text("name");
  cluster.devices_per_node = keys.count("devices_per_node");
  cluster.devices_per_host = read_devices_per_host(keys, cluster.devices_per_node);
  cluster.max_devices = keys.count("max_devices");
  cluster.measured = keys.optional_text("measured");
  cluster.node_profile = known_name(keys, "node_profile", catalog_node_profiles());
  cluster.source = keys.text("source");
  const toml::table* const device = keys.optional_table("device");
  if (device == nullptr) {
    keys.fail("device", "the file has no table [device], which is required");
  }
  cluster.device = read_device(*device, file);
  cluster.levels = read_levels(keys, cluster, file);
  read_optional_tables(keys, file, cluster);
  return cluster;
}

Cluster read_cluster_file(const std::string& path) {
  const std::string text = text_of_file(path, largest::config, "a cluster .toml");
  const toml::table root = parse_toml(text, path);
  Cluster cluster = cluster_from(root, path);
  if (cluster.measured) {
    // A profile is named relative to the file that names it, not to where the program runs.
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    const std::string profile = (folder / *cluster.measured).string();
    if (!lies_inside(profile, folder)) {
      keys_of(root, path)
          .fail("measured",
                fmt::format("'measured' names '{}', which is outside the folder of this file",
                            *cluster.measured));
    }
    if (!std::filesystem::is_regular_file(profile)) {
      keys_of(root, path)
          .fail(
              "measured",
              fmt::format("'measured' names '{}', which is no file (expected a profile of 'forerun "
                          "measure', by its path from the cluster file)",
                          *cluster.measured));
    }
    cluster.measured = profile;
  }
  return cluster;
}

}  // namespace

Cluster read_cluster_text(std::string_view text, const std::string& where) {
  return cluster_from(parse_toml(text, where), where);
}

Cluster read_cluster(const std::string& name) {
  if (const auto own = own_catalog_file("clusters", name, ".toml")) {
    return read_cluster_file(*own);
  }
  for (const CatalogFile& file : catalog_cluster_files()) {
    if (file.name == name) {
      return read_cluster_text(file.text, name + ".toml");
    }
  }
  if (name.ends_with(".toml")) {
    return read_cluster_file(name);
  }
  const std::vector<std::string> known = catalog_clusters();
  throw InputError("--cluster",
                   fmt::format("'{}' is not a known cluster: did you mean '{}'? Expected {}, or a "
                               "file that ends in .toml",
                               name,
                               nearest(name, known),
                               listed(known)));
}

std::vector<std::string> catalog_clusters() {
  std::vector<std::string> names = own_catalog_names("clusters", ".toml");
  for (const CatalogFile& file : catalog_cluster_files()) {
    if (std::ranges::find(names, file.name) == names.end()) {
      names.emplace_back(file.name);
    }
  }
  return names;
}

}  // namespace forerun
