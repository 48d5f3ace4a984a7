#include "estimator/profile/topology_json.hpp"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "estimator/profile/record_json.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto byte_rate = unit::byte / unit::second;

constexpr std::array agreements{
    HostAgreement::one_host, HostAgreement::agrees, HostAgreement::conflict};

Json pair_json(const PairDistance& pair) {
  return {{"ranks", {pair.first, pair.second}},
          {"latency_s", pair.latency.in(unit::second)},
          {"latency_error", pair.latency_error},
          {"bandwidth_bytes_per_s", pair.bandwidth.in(byte_rate)},
          {"bandwidth_error", pair.bandwidth_error}};
}

Json level_json(const MeasuredLevel& level) {
  return {{"name", level.name},
          {"devices", level.devices},
          {"latency_s", level.latency.in(unit::second)},
          {"bandwidth_bytes_per_s", level.bandwidth.in(byte_rate)},
          {"latency_alone_s",
           level.latency_alone ? Json(level.latency_alone->in(unit::second)) : Json(nullptr)},
          {"bandwidth_alone_bytes_per_s",
           level.bandwidth_alone ? Json(level.bandwidth_alone->in(byte_rate)) : Json(nullptr)},
          {"latency_spread", level.latency_spread},
          {"bandwidth_spread", level.bandwidth_spread},
          {"pairs", level.pairs},
          {"confidence", level.confidence},
          {"groups", level.groups}};
}

Json straggler_json(const Straggler& straggler) {
  return {{"rank", straggler.rank},
          {"host", straggler.host},
          {"latency_factor", straggler.latency_factor},
          {"bandwidth_factor", straggler.bandwidth_factor}};
}

Json link_json(const SlowLink& link) {
  return {{"ranks", {link.first, link.second}},
          {"level", link.level},
          {"latency_factor", link.latency_factor},
          {"bandwidth_factor", link.bandwidth_factor}};
}

template <typename List, typename Write>
Json list_json(const List& list, Write write) {
  Json json = Json::array();
  for (const auto& element : list) {
    json.push_back(write(element));
  }
  return json;
}

double positive(const Json& object, const char* key) {
  const auto value = object.at(key).get<double>();
  if (!(value > 0.0)) {
    throw InputError("profile",
                     std::string("the measured topology has a ") + key + " that is not positive");
  }
  return value;
}

PairDistance pair_from(const Json& json) {
  return {whole_of(json.at("ranks").at(0)),
          whole_of(json.at("ranks").at(1)),
          positive(json, "latency_s") * unit::second,
          positive(json, "bandwidth_bytes_per_s") * byte_rate,
          json.at("latency_error").get<double>(),
          json.at("bandwidth_error").get<double>()};
}

MeasuredLevel level_from(const Json& json) {
  MeasuredLevel level;
  level.name = json.at("name").get<std::string>();
  level.devices = whole_at(json, "devices");
  level.latency = positive(json, "latency_s") * unit::second;
  level.bandwidth = positive(json, "bandwidth_bytes_per_s") * byte_rate;
  if (!json.at("latency_alone_s").is_null()) {
    level.latency_alone = positive(json, "latency_alone_s") * unit::second;
    level.bandwidth_alone = positive(json, "bandwidth_alone_bytes_per_s") * byte_rate;
  }
  level.latency_spread = json.at("latency_spread").get<double>();
  level.bandwidth_spread = json.at("bandwidth_spread").get<double>();
  level.pairs = whole_at(json, "pairs");
  level.confidence = json.at("confidence").get<double>();
  for (const Json& members : json.at("groups")) {
    std::vector<std::int64_t>& group = level.groups.emplace_back();
    for (const Json& rank : members) {
      group.push_back(whole_of(rank));
    }
  }
  return level;
}

HostAgreement agreement_from(const std::string& name) {
  for (const HostAgreement agreement : agreements) {
    if (name_of(agreement) == name) {
      return agreement;
    }
  }
  throw InputError("profile", "'" + name + "' is no agreement between hosts and levels");
}

}  // namespace

Json to_json(const MeasuredTopology& topology) {
  return {{"levels", list_json(topology.levels, level_json)},
          {"agreement", name_of(topology.agreement)},
          {"findings", topology.findings},
          {"stragglers", list_json(topology.stragglers, straggler_json)},
          {"slow_links", list_json(topology.slow_links, link_json)},
          {"pairs", list_json(topology.pairs, pair_json)}};
}

std::optional<MeasuredTopology> measured_topology_from(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return std::nullopt;
  }
  MeasuredTopology topology;
  for (const Json& pair : found->at("pairs")) {
    topology.pairs.push_back(pair_from(pair));
  }
  for (const Json& level : found->at("levels")) {
    topology.levels.push_back(level_from(level));
  }
  for (const Json& straggler : found->at("stragglers")) {
    topology.stragglers.push_back({whole_at(straggler, "rank"),
                                   straggler.at("host").get<std::string>(),
                                   positive(straggler, "latency_factor"),
                                   positive(straggler, "bandwidth_factor")});
  }
  for (const Json& link : found->at("slow_links")) {
    topology.slow_links.push_back({whole_of(link.at("ranks").at(0)),
                                   whole_of(link.at("ranks").at(1)),
                                   link.at("level").get<std::string>(),
                                   positive(link, "latency_factor"),
                                   positive(link, "bandwidth_factor")});
  }
  topology.agreement = agreement_from(found->at("agreement").get<std::string>());
  topology.findings = found->at("findings").get<std::vector<std::string>>();
  return topology;
}

}  // namespace forerun
