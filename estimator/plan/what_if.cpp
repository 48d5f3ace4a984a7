#include "estimator/plan/what_if.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

constexpr auto parts =
    std::to_array<std::pair<std::string_view, double WhatIf::*>>({{"net", &WhatIf::net},
                                                                  {"nvlink", &WhatIf::nvlink},
                                                                  {"hbm", &WhatIf::hbm},
                                                                  {"flops", &WhatIf::flops},
                                                                  {"memory", &WhatIf::memory},
                                                                  {"host", &WhatIf::host}});

void set_part(std::string_view item, std::string_view where, WhatIf& what_if) {
  const std::size_t equals = std::min(item.find('='), item.size());
  const std::string name(item.substr(0, equals));
  const auto* const part =
      std::ranges::find(parts, name, &std::pair<std::string_view, double WhatIf::*>::first);
  if (part == parts.end()) {
    std::vector<std::string> names;
    names.reserve(parts.size());
    for (const auto& known : parts) {
      names.emplace_back(known.first);
    }
    throw InputError(std::string(where),
                     fmt::format("'{}' cannot be changed (expected {}; nearest is {})",
                                 name,
                                 listed(names),
                                 nearest(name, names)));
  }
  const std::string_view text = equals < item.size() ? item.substr(equals + 1) : "";
  double factor = 0.0;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), factor);
  if (error != std::errc() || next != text.data() + text.size() || !std::isfinite(factor) ||
      factor <= 0.0) {
    throw InputError(
        std::string(where),
        fmt::format(
            "{}='{}' is not a factor above 0 (expected one like {}=0.5)", name, text, name));
  }
  what_if.*part->second = factor;
}

}  // namespace

WhatIf what_if_from(std::string_view text, std::string_view where) {
  WhatIf what_if;
  for (std::size_t first = 0; first <= text.size();) {
    const std::size_t last = std::min(text.find(',', first), text.size());
    set_part(text.substr(first, last - first), where, what_if);
    first = last + 1;
  }
  return what_if;
}

void change_hardware(HardwareSource& hardware, const WhatIf& what_if) {
  if (hardware.profile) {
    throw InputError("--what-if",
                     hardware.cluster.name +
                         " is measured; it changes what a cluster file says (expected a catalog "
                         "name, or a .toml without 'measured')");
  }
  std::string text;
  for (const auto& [name, part] : parts) {
    if (what_if.*part != 1.0) {
      text += fmt::format("{}{} x {:g}", text.empty() ? "" : ", ", name, what_if.*part);
    }
  }
  const bool had_node_profile = hardware.cluster.node_profile.has_value();
  hardware.cluster = changed(std::move(hardware.cluster), what_if);
  hardware.notes.push_back("what if: " + text + " of what " + hardware.cluster.name + " says");
  if (had_node_profile && !hardware.cluster.node_profile) {
    hardware.notes.emplace_back(
        "what if: collectives inside nodes by the law of NCCL or MPI over the changed links, not "
        "as "
        "they were measured; compare with nvlink=0.999");
  }
}

Cluster changed(Cluster cluster, const WhatIf& what_if) {
  for (auto& [type, peak] : cluster.device.peak) {
    peak *= what_if.flops;
  }
  cluster.device.memory_bandwidth *= what_if.hbm;
  cluster.device.memory *= what_if.memory;
  if (cluster.host) {
    cluster.host->link_peak *= what_if.host;
    cluster.host->link_rate *= what_if.host;
  }
  if (what_if.nvlink != 1.0) {
    cluster.node_profile.reset();  // of the links as they are
  }
  for (LinkLevel& level : cluster.levels) {
    level.bandwidth *= level.devices <= cluster.devices_per_node ? what_if.nvlink : what_if.net;
  }
  return cluster;
}

}  // namespace forerun
