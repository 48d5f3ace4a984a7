#include "estimator/cli/show.hpp"

#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/show_model.hpp"
#include "estimator/estimate/hardware_source.hpp"
#include "estimator/profile/build_info.hpp"
#include "jobs/read_model.hpp"
#include "topologies/level_rates.hpp"
#include "topologies/read_cluster.hpp"
#include "units/quantity_text.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

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
    document["models"].push_back(model_json(name, options.sequence));
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

namespace {

// By name, with where the numbers are from.
void print_sources(const Json& models, std::ostream& out) {
  for (const Json& model : models) {
    fmt::print(out,
               "{}: {} parameters, {} active; {}\n",
               model["name"].get<std::string>(),
               model["parameters"].get<std::int64_t>(),
               model["active_parameters"].get<std::int64_t>(),
               model["source"].get<std::string>());
  }
}

void print_models(const Json& models, std::ostream& out) {
  TextTable table({{"model", Align::left},
                   {"parameters"},
                   {"active"},
                   {"layers"},
                   {"hidden"},
                   {"heads"},
                   {"vocabulary"}});
  for (const Json& model : models) {
    const auto whole = [&](const char* key) {
      return std::to_string(model[key].get<std::int64_t>());
    };
    table.add({model["name"].get<std::string>(),
               count_text(model["parameters"].get<double>()),
               count_text(model["active_parameters"].get<double>()),
               whole("layers"),
               whole("hidden"),
               whole("heads"),
               whole("vocabulary")});
  }
  table.print(out);
  constexpr std::size_t most_with_sources = 8;
  if (models.size() <= most_with_sources) {
    fmt::print(out, "\n");
    print_sources(models, out);
    for (const Json& model : models) {
      fmt::print(out, "\n");
      print_accounting(model, out);
    }
    if (models.size() == 2) {
      fmt::print(out, "\n");
      print_difference(models[0], models[1], out);
    }
  } else {
    fmt::print(out,
               "\n{} models; exact counts and sources: forerun show --model NAME, or --format "
               "json\n",
               models.size());
  }
}

void print_peaks(const Json& peaks, std::ostream& out) {
  std::string line;
  for (const auto& [type, peak] : peaks.items()) {
    line += fmt::format("{}{} {}",
                        line.empty() ? "" : ", ",
                        type,
                        text_of(peak.get<double>() * unit::flop / unit::second));
  }
  fmt::print(out, "    peak: {}\n", line);
}

void print_cluster(const Json& cluster, std::ostream& out) {
  fmt::print(out,
             "{}: {} with {}, {} a node, up to {}\n",
             cluster["name"].get<std::string>(),
             cluster["device"].get<std::string>(),
             text_of(cluster["memory_bytes"].get<double>() * unit::byte),
             cluster["devices_per_node"].get<std::int64_t>(),
             cluster["max_devices"].get<std::int64_t>());
  print_peaks(cluster["peak_flop_per_s"], out);
  TextTable links({{"link", Align::left}, {"devices"}, {"bandwidth"}, {"efficiency"}, {"latency"}},
                  4);
  for (const Json& level : cluster["levels"]) {
    links.add({level["name"].get<std::string>(),
               std::to_string(level["devices"].get<std::int64_t>()),
               text_of(level["bandwidth_bytes_per_s"].get<double>() * unit::byte / unit::second),
               fmt::format("{:.2f}", level["efficiency"].get<double>()),
               text_of(level["latency_s"].get<double>() * unit::second)});
  }
  links.print(out);
  if (const Json& host = cluster["host"]; !host.is_null()) {
    fmt::print(out,
               "    host: {}, {} of {}, shared by {}; {} of memory a node\n",
               host["link"].get<std::string>(),
               text_of(host["link_rate_bytes_per_s"].get<double>() * unit::byte / unit::second),
               text_of(host["link_peak_bytes_per_s"].get<double>() * unit::byte / unit::second),
               host["sharing"].get<std::int64_t>(),
               text_of(host["memory_bytes"].get<double>() * unit::byte));
  }
  fmt::print(out, "    source: {}\n", cluster["source"].get<std::string>());
}

}  // namespace

void print_show(const Json& document, std::ostream& out) {
  if (!document["models"].empty()) {
    print_models(document["models"], out);
  }
  bool is_first = document["models"].empty();
  for (const Json& cluster : document["clusters"]) {
    fmt::print(out, "{}", is_first ? "" : "\n");
    is_first = false;
    print_cluster(cluster, out);
  }
}

}  // namespace forerun
