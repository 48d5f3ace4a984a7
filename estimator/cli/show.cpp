#include "estimator/cli/show.hpp"

#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/hardware_source.hpp"
#include "estimator/profile/build_info.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "topologies/level_rates.hpp"
#include "topologies/read_cluster.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

Json model_json(const std::string& name) {
  const ModelShape model = read_model(name);
  const ParameterCount count = count_parameters(model);
  return {{"name", model.name},
          {"family", model.family},
          {"parameters", count.total},
          {"active_parameters", count.active},
          {"layers", model.layers},
          {"hidden", model.hidden},
          {"ffn_hidden", model.ffn_hidden},
          {"heads", model.attention.heads},
          {"kv_heads", model.attention.kv_heads},
          {"head_size", model.attention.head_size},
          {"vocabulary", model.vocabulary},
          {"max_positions", model.max_positions},
          {"source", model.source}};
}

Json cluster_json(const std::string& name) {
  const Cluster cluster = read_hardware(name).cluster;
  Json peaks = Json::object();
  for (const auto& [type, peak] : cluster.device.peak) {
    peaks[std::string(name_of(type))] = peak.in(unit::flop / unit::second);
  }
  Json levels = Json::array();
  for (const LinkLevel& level : cluster.levels) {
    levels.push_back({{"name", level.name},
                      {"devices", level.devices},
                      {"bandwidth_bytes_per_s", level.bandwidth.in(unit::byte / unit::second)},
                      {"latency_s", level.latency.in(unit::second)},
                      {"efficiency", level.efficiency},
                      {"oversubscription", level.oversubscription},
                      {"kind", name_of(level.kind)},
                      {"axes", level.axes},
                      {"rails", level.rails},
                      {"in_network_reduction", level.in_network_reduction},
                      {"source", level.source}});
  }
  Json host;
  if (cluster.host) {
    host = {{"link", cluster.host->link},
            {"link_peak_bytes_per_s", cluster.host->link_peak.in(unit::byte / unit::second)},
            {"link_rate_bytes_per_s", cluster.host->link_rate.in(unit::byte / unit::second)},
            {"sharing", cluster.host->sharing},
            {"memory_bytes", cluster.host->size.in(unit::byte)},
            {"memory_bandwidth_bytes_per_s", cluster.host->bandwidth.in(unit::byte / unit::second)},
            {"memory_efficiency", cluster.host->efficiency},
            {"source", cluster.host->source}};
  }
  return {{"name", cluster.name},
          {"device", cluster.device.name},
          {"devices_per_node", cluster.devices_per_node},
          {"max_devices", cluster.max_devices},
          {"memory_bytes", cluster.device.memory.in(unit::byte)},
          {"peak_flop_per_s", std::move(peaks)},
          {"levels", std::move(levels)},
          {"host", std::move(host)},
          {"device_source", cluster.device.source},
          {"source", cluster.source}};
}

}  // namespace

Json show(const Options& options) {
  const bool everything = options.models.empty() && !options.cluster;
  Json document = document_head();
  document["models"] = Json::array();
  for (const std::string& name : everything ? catalog_models() : options.models) {
    document["models"].push_back(model_json(name));
  }
  document["clusters"] = Json::array();
  std::vector<std::string> clusters = everything ? catalog_clusters() : std::vector<std::string>();
  if (options.cluster) {
    clusters.push_back(*options.cluster);
  }
  for (const std::string& name : clusters) {
    document["clusters"].push_back(cluster_json(name));
  }
  return document;
}

void print_show(const Json& document, std::ostream& out) {
  for (const Json& model : document["models"]) {
    fmt::print(out,
               "{:<18} {:>16} parameters, {:>15} active; {} layers x {}; {}\n",
               model["name"].get<std::string>(),
               model["parameters"].get<std::int64_t>(),
               model["active_parameters"].get<std::int64_t>(),
               model["layers"].get<std::int64_t>(),
               model["hidden"].get<std::int64_t>(),
               model["source"].get<std::string>());
  }
  for (const Json& cluster : document["clusters"]) {
    fmt::print(out,
               "{:<18} {} with {}, {} a node, up to {}; {}\n",
               cluster["name"].get<std::string>(),
               cluster["device"].get<std::string>(),
               text_of(cluster["memory_bytes"].get<double>() * unit::byte),
               cluster["devices_per_node"].get<std::int64_t>(),
               cluster["max_devices"].get<std::int64_t>(),
               cluster["source"].get<std::string>());
    for (const auto& [type, peak] : cluster["peak_flop_per_s"].items()) {
      fmt::print(
          out, "    {:<8} {}\n", type, text_of(peak.get<double>() * unit::flop / unit::second));
    }
    for (const Json& level : cluster["levels"]) {
      fmt::print(out,
                 "    {:<16} {:>6} devices  {:>10} x {:.2f} after {}\n",
                 level["name"].get<std::string>(),
                 level["devices"].get<std::int64_t>(),
                 text_of(level["bandwidth_bytes_per_s"].get<double>() * unit::byte / unit::second),
                 level["efficiency"].get<double>(),
                 text_of(level["latency_s"].get<double>() * unit::second));
    }
    if (const Json& host = cluster["host"]; !host.is_null()) {
      fmt::print(out,
                 "    {:<16} {:>6} devices  {:>10} of {}; {} of host memory a node\n",
                 host["link"].get<std::string>(),
                 host["sharing"].get<std::int64_t>(),
                 text_of(host["link_rate_bytes_per_s"].get<double>() * unit::byte / unit::second),
                 text_of(host["link_peak_bytes_per_s"].get<double>() * unit::byte / unit::second),
                 text_of(host["memory_bytes"].get<double>() * unit::byte));
    }
  }
}

}  // namespace forerun
