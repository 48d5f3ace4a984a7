// What a measurement runs on, before anything is measured.
#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/chrono.h>

#include "estimator/measure/measure.hpp"

namespace forerun {

std::int64_t ranks_per_node(const std::vector<std::string>& hosts) {
  return std::ranges::count(hosts, hosts.front());
}

Profile describe(const Machine& machine) {
  Profile profile;
  profile.date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  profile.device = machine.device.report();
  profile.node = discover_node();
  profile.node.links = joined_links(std::move(profile.node.links), profile.device.links);
  profile.hosts = machine.host_world.all_gather_text(profile.node.host);
  profile.ranks = machine.host_world.size();
  profile.ranks_per_node = ranks_per_node(profile.hosts);
  return profile;
}

}  // namespace forerun
