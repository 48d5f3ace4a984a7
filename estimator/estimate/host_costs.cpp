#include "estimator/estimate/host_costs.hpp"

#include <span>

#include <toml++/toml.h>

#include "units/catalog_file.hpp"
#include "units/unit.hpp"

namespace forerun {

// Generated from host_costs.toml by cmake/embed_catalog.cmake.
std::span<const CatalogFile> host_cost_files();

namespace {

HostCosts read_costs() {
  const toml::table file = toml::parse(host_cost_files().front().text);
  HostCosts costs;
  if (const toml::array* const list = file["host_cost"].as_array()) {
    for (const toml::node& node : *list) {
      const toml::table& cost = *node.as_table();
      costs[cost["software"].value<std::string>().value()] = {
          cost["per_launch_us"].value<double>().value() * unit::microsecond};
    }
  }
  return costs;
}

}  // namespace

const HostCosts& calibrated_host_costs() {
  static const HostCosts costs = read_costs();
  return costs;
}

HostCost host_cost_of(const Software& software, const HostCosts& costs) {
  HostCost cost;
  if (software.is_eager) {
    auto found = costs.find(software.preset);
    found = found != costs.end() ? found : costs.find(software.launches_like);
    if (found != costs.end()) {
      cost = found->second;
      cost.waits = software.waits_for_kernels;
      return cost;
    }
  }
  if (software.waits_for_kernels) {
    cost = {10.0 * unit::microsecond, {}, true, true};
  }
  return cost;
}

}  // namespace forerun
