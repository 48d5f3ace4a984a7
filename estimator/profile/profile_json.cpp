#include "estimator/profile/profile_json.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/profile/build_info.hpp"
#include "estimator/profile/check_profile.hpp"
#include "estimator/profile/link_json.hpp"
#include "estimator/profile/record_json.hpp"
#include "estimator/profile/topology_json.hpp"
#include "kernels/kernel_cost.hpp"
#include "kernels/valid_key.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr int known_schema = 1;

Json seconds_list(const std::vector<Seconds>& times) {
  Json list = Json::array();
  for (const Seconds time : times) {
    list.push_back(time.in(unit::second));
  }
  return list;
}

KernelRecord kernel_record(const KernelKey& key, const Json& line) {
  KernelRecord record{key, timing_from(line)};
  if (const auto hot = line.find("hot_median_s"); hot != line.end() && !hot->is_null()) {
    record.hot = hot->get<double>() * unit::second;
  }
  record.algorithm = line.value("algorithm", "");
  if (const auto clock = line.find("clock_hz"); clock != line.end() && !clock->is_null()) {
    record.clock_hz = clock->get<double>();
  }
  return record;
}

// Share of the fastest product of the same number format, where the profile has one.
Json share_of_peak(const KernelRecord& record, const Cluster& measured) {
  const auto peak = measured.device.peak.find(record.key.type);
  if (peak == measured.device.peak.end()) {
    return nullptr;
  }
  return hardware_flops(record.key) / record.timing.median / peak->second;
}

// What the library says, "key 'hosts' not found", without its "[json.exception.out_of_range.403] ".
std::string complaint_of(const Json::exception& error) {
  const std::string_view text = error.what();
  const auto end_of_tag = text.find("] ");
  return std::string(end_of_tag == std::string_view::npos ? text : text.substr(end_of_tag + 2));
}

// A profile that somebody edited must not price a step with nonsense.
void check_timing(const std::string& key, const Timing& timing) {
  const bool is_sane = timing.median > Seconds() && timing.low > Seconds() &&
                       timing.low <= timing.median && timing.median <= timing.high &&
                       timing.samples >= 1;
  if (!is_sane) {
    throw InputError(
        "profile",
        "the times of '" + key + "' are not positive and in order: low <= median <= high");
  }
}

Json device_json(const DeviceReport& device) {
  return {{"kind", device.kind},
          {"name", device.name},
          {"cores_per_device", device.cores},
          {"memory_bytes", device.memory.in(unit::byte)},
          {"last_level_cache_bytes", device.last_level_cache.in(unit::byte)},
          {"pci_id", device.pci_id}};
}

Json topology_json(const Profile& profile) {
  const NodeDescription& node = profile.node;
  Json levels = Json::array();
  for (std::size_t i = 0; i < profile.levels.size(); ++i) {
    const LinkLevel& level = profile.levels[i];
    levels.push_back({{"name", level.name},
                      {"devices", level.devices},
                      {"bandwidth_bytes_per_s", level.bandwidth.in(unit::byte / unit::second)},
                      {"latency_s", level.latency.in(unit::second)},
                      {"fit_error", profile.level_errors[i]}});
  }
  return {{"hosts", profile.hosts},
          {"ranks", profile.ranks},
          {"ranks_per_node", profile.ranks_per_node},
          {"node",
           {{"host", node.host},
            {"cpu_model", node.cpu_model},
            {"sockets", node.sockets},
            {"numa_domains", node.numa_domains},
            {"cores", node.cores},
            {"memory_bytes", node.memory.in(unit::byte)},
            {"last_level_cache_bytes", node.last_level_cache.in(unit::byte)},
            {"isa", node.isa},
            {"gpus", node.gpus},
            {"nics", node.nics},
            {"links", links_json(node.links)}}},
          {"levels", std::move(levels)},
          {"measured", profile.topology ? to_json(*profile.topology) : Json(nullptr)}};
}

Json layer_factor_json(const std::optional<LayerFactor>& layer) {
  if (!layer) {
    return nullptr;
  }
  return {{"factor", layer->factor()},
          {"model", layer->model},
          {"layout", layer->layout},
          {"precision", layer->precision},
          {"chained_s", layer->chained.in(unit::second)},
          {"alone_s", layer->alone.in(unit::second)}};
}

std::optional<LayerFactor> layer_factor_from(const Json& document) {
  const Json layer = document.value("layer_factor", Json());
  if (layer.is_null()) {
    return std::nullopt;
  }
  LayerFactor factor{layer.at("model").get<std::string>(),
                     layer.at("layout").get<std::string>(),
                     layer.at("precision").get<std::string>(),
                     seconds_at(layer, "chained_s"),
                     seconds_at(layer, "alone_s")};
  if (factor.chained <= Seconds() || factor.alone <= Seconds()) {
    throw InputError("profile", "layer_factor has times that are not positive");
  }
  return factor;
}

Json noise_json(const std::vector<NoisePoint>& noise) {
  Json points = Json::array();
  for (const NoisePoint& point : noise) {
    points.push_back({{"ranks", point.ranks},
                      {"work_s", point.work.in(unit::second)},
                      {"excess", point.excess}});
  }
  return points;
}

std::vector<NoisePoint> noise_from(const Json& document) {
  std::vector<NoisePoint> noise;
  for (const Json& line : document.value("noise", Json::array())) {
    const NoisePoint point{
        whole_at(line, "ranks"), seconds_at(line, "work_s"), line.at("excess").get<double>()};
    constexpr double most = 1000.0;
    if (point.ranks < 1 || point.work <= Seconds() ||
        !(point.excess > -1.0 && point.excess <= most)) {
      throw InputError("profile",
                       "noise has a point without ranks or work, or an excess that is not between "
                       "-1 and 1000 times the work");
    }
    noise.push_back(point);
  }
  return noise;
}

void read_topology(const Json& topology, Profile& profile) {
  const Json& node = topology.at("node");
  profile.hosts = topology.at("hosts").get<std::vector<std::string>>();
  profile.ranks = whole_at(topology, "ranks");
  profile.ranks_per_node = whole_at(topology, "ranks_per_node");
  profile.node.host = node.at("host").get<std::string>();
  profile.node.cpu_model = node.at("cpu_model").get<std::string>();
  profile.node.sockets = whole_at(node, "sockets");
  profile.node.numa_domains = whole_at(node, "numa_domains");
  profile.node.cores = whole_at(node, "cores");
  profile.node.memory = node.at("memory_bytes").get<double>() * unit::byte;
  profile.node.last_level_cache = node.at("last_level_cache_bytes").get<double>() * unit::byte;
  profile.node.isa = node.at("isa").get<std::vector<std::string>>();
  profile.node.gpus = node.at("gpus").get<std::vector<std::string>>();
  profile.node.nics = node.at("nics").get<std::vector<std::string>>();
  profile.node.links = links_from(node.value("links", Json::array()));
  for (const Json& line : topology.at("levels")) {
    LinkLevel level;
    level.name = line.at("name").get<std::string>();
    level.devices = whole_at(line, "devices");
    level.bandwidth = line.at("bandwidth_bytes_per_s").get<double>() * unit::byte / unit::second;
    level.latency = seconds_at(line, "latency_s");
    level.source = "measured";
    profile.levels.push_back(level);
    profile.level_errors.push_back(line.at("fit_error").get<double>());
  }
  profile.topology = measured_topology_from(topology, "measured");
}

void read_device(const Json& document, Profile& profile) {
  const Json& device = document.at("device");
  profile.device.kind = device.at("kind").get<std::string>();
  profile.device.name = device.at("name").get<std::string>();
  profile.device.cores = whole_at(device, "cores_per_device");
  profile.device.memory = device.at("memory_bytes").get<double>() * unit::byte;
  profile.device.last_level_cache = device.at("last_level_cache_bytes").get<double>() * unit::byte;
  profile.device.pci_id = device.at("pci_id").get<std::string>();
  for (const auto& [name, version] : document.at("software").items()) {
    profile.device.software.emplace_back(name, version.get<std::string>());
  }
}

Json overlap_json(const Profile& profile) {
  if (profile.overlap.empty()) {
    return nullptr;
  }
  Json points = Json::array();
  for (const OverlapPoint& point : profile.overlap) {
    points.push_back(to_json(point));
  }
  return points;
}

Json jobs_json(const Profile& profile) {
  Json jobs = Json::array();
  for (const MeasuredJob& job : profile.jobs) {
    jobs.push_back({{"model", job.model},
                    {"layout", job.layout},
                    {"precision", job.precision},
                    {"micro_batch", job.micro_batch},
                    {"seq", job.sequence}});
  }
  return jobs;
}

void read_jobs(const Json& jobs, Profile& profile) {
  for (const Json& job : jobs) {
    profile.jobs.push_back({job.at("model").get<std::string>(),
                            job.at("layout").get<std::string>(),
                            job.at("precision").get<std::string>(),
                            whole_at(job, "micro_batch"),
                            whole_at(job, "seq")});
  }
}

// Runs `read`; what the library complains about names the part of the profile that it is in.
template <typename Read>
void read_part(const std::string& path, const char* part, Read read) {
  try {
    read();
  } catch (const Json::exception& error) {
    throw InputError(path,
                     fmt::format("is not a whole profile: in '{}': {}", part, complaint_of(error)));
  }
}

Profile profile_of(const Json& document, const std::string& path) {
  Profile profile;
  profile.path = path;
  read_part(path, "inputs", [&] { read_jobs(document.at("inputs").at("jobs"), profile); });
  read_part(path, "date", [&] { profile.date = document.at("date").get<std::string>(); });
  read_part(path, "device", [&] { read_device(document, profile); });
  read_part(path, "topology", [&] { read_topology(document.at("topology"), profile); });
  for (const char* list : {"kernels", "collectives"}) {
    read_part(path, list, [&] {
      for (const Json& line : document.at(list)) {
        add_record(line, profile);
      }
    });
  }
  read_part(path, "overlap", [&] {
    const Json overlap = document.value("overlap", Json());
    for (const Json& line : overlap.is_array() ? overlap : Json::array()) {
      add_record(line, profile);
    }
    profile.warnings = document.value("warnings", std::vector<std::string>());
  });
  read_part(path, "sustained_factor", [&] {
    const Json factor = document.value("sustained_factor", Json());
    if (!factor.is_null()) {
      profile.sustained_factor = factor.get<double>();
    }
    const Json clock = document.value("clock_hz", Json());
    if (!clock.is_null()) {
      profile.clock_hz = clock.get<double>();
    }
  });
  read_part(path, "layer_factor", [&] { profile.layer_factor = layer_factor_from(document); });
  read_part(path, "noise", [&] { profile.noise = noise_from(document); });
  read_part(path, "skipped", [&] {
    profile.skipped = document.at("skipped").get<std::vector<std::string>>();
  });
  read_part(path, "elapsed_s", [&] { profile.elapsed_s = document.at("elapsed_s").get<double>(); });
  return profile;
}

}  // namespace

Json to_json(const KernelRecord& record) {
  Json line = timing_json(text_of(record.key), record.timing);
  line["rank_medians_s"] = seconds_list(record.timing.rank_medians);
  line["hot_median_s"] = record.hot ? Json(record.hot->in(unit::second)) : Json(nullptr);
  line["flop"] = hardware_flops(record.key).in(unit::flop);
  line["bytes"] = minimum_traffic(record.key).in(unit::byte);
  line["flop_per_s"] =
      (hardware_flops(record.key) / record.timing.median).in(unit::flop / unit::second);
  line["bytes_per_s"] =
      (minimum_traffic(record.key) / record.timing.median).in(unit::byte / unit::second);
  line["algorithm"] = record.algorithm;
  line["clock_hz"] = record.clock_hz ? Json(*record.clock_hz) : Json(nullptr);
  return line;
}

Json to_json(const Profile& profile) {
  Json document = document_head();
  document["kind"] = "profile";
  document["date"] = profile.date;
  document["inputs"] = {{"jobs", jobs_json(profile)}};
  document["device"] = device_json(profile.device);
  Json software = Json::object();
  for (const auto& [name, version] : profile.device.software) {
    software[name] = version;
  }
  document["software"] = std::move(software);
  document["topology"] = topology_json(profile);
  document["kernels"] = Json::array();
  const Cluster measured = cluster_of(profile);
  for (const KernelRecord& record : profile.kernels) {
    Json line = to_json(record);
    line["share_of_peak"] = share_of_peak(record, measured);
    document["kernels"].push_back(std::move(line));
  }
  document["collectives"] = Json::array();
  for (const CollectiveRecord& record : profile.collectives) {
    document["collectives"].push_back(to_json(record));
  }
  document["overlap"] = overlap_json(profile);
  if (profile.overlap.empty()) {
    document["overlap_note"] =
        "not measured: computation and communication are priced one after the other";
  }
  document["warnings"] = profile.warnings;
  document["sustained_factor"] =
      profile.sustained_factor ? Json(*profile.sustained_factor) : Json(nullptr);
  document["layer_factor"] = layer_factor_json(profile.layer_factor);
  document["noise"] = noise_json(profile.noise);
  document["clock_hz"] = profile.clock_hz ? Json(*profile.clock_hz) : Json(nullptr);
  document["skipped"] = profile.skipped;
  document["elapsed_s"] = profile.elapsed_s;
  return document;
}

void add_record(const Json& line, Profile& profile) {
  if (line.contains("compute_beside_s")) {
    profile.overlap.push_back(overlap_point(line));
    return;
  }
  if (auto topology = measured_topology_from(line, "measured_topology")) {
    profile.topology = std::move(topology);
    return;
  }
  const auto text = line.at("key").get<std::string>();
  check_timing(text, timing_from(line));
  if (const auto kernel = kernel_key_from(text)) {
    if (const auto reason = contradiction_in(*kernel)) {
      throw InputError("profile", "'" + text + "': " + *reason);
    }
    profile.kernels.push_back(kernel_record(*kernel, line));
  } else if (const auto collective = collective_key_from(text)) {
    check_collective(*collective);
    profile.collectives.push_back(collective_record(*collective, line));
  } else {
    throw InputError("profile",
                     "'" + text + "' names no kernel or collective that this build knows");
  }
}

Profile read_profile_text(std::string_view text, const std::string& path) {
  check_json_shape(text, path);
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) {
    throw InputError(path,
                     "is not valid JSON: truncated, or not a profile (if a 'measure' was "
                     "killed, run it again with --resume)");
  }
  if (!document.is_object() || document.value("kind", Json()) != "profile") {
    throw InputError(path,
                     "is JSON but not a profile (expected \"kind\": \"profile\", as 'forerun "
                     "measure --out' writes)");
  }
  if (document.value("schema_version", Json()) != known_schema) {
    throw InputError(path,
                     "has schema_version " + document.value("schema_version", Json()).dump() +
                         " (this build reads " + std::to_string(known_schema) + ")");
  }
  try {
    Profile profile = profile_of(document, path);
    check_profile(profile);
    return profile;
  } catch (const InputError& error) {
    // Readers of parts name the part, not the file.
    const std::string_view problem = error.what();
    if (problem.starts_with("profile: ")) {
      throw InputError(path, problem.substr(9));
    }
    throw;
  }
}

Profile read_profile(const std::string& path) {
  return read_profile_text(
      text_of_file(path, largest::profile, "a profile that 'forerun measure --out' wrote"), path);
}

}  // namespace forerun
