#include "estimator/profile/profile_json.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/profile/build_info.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr int known_schema = 1;

constexpr auto flag_names = std::to_array<std::pair<bool Timing::*, const char*>>({
    {&Timing::is_unsettled, "unsettled"},
    {&Timing::is_drifting, "drifting"},
    {&Timing::is_spread, "spread"},
});

Json flags_of(const Timing& timing) {
  Json flags = Json::array();
  for (const auto& [member, name] : flag_names) {
    if (timing.*member) {
      flags.push_back(name);
    }
  }
  return flags;
}

Json seconds_list(const std::vector<Seconds>& times) {
  Json list = Json::array();
  for (const Seconds time : times) {
    list.push_back(time.in(unit::second));
  }
  return list;
}

Json timing_json(std::string key, const Timing& timing) {
  return {{"key", std::move(key)},
          {"median_s", timing.median.in(unit::second)},
          {"low_s", timing.low.in(unit::second)},
          {"high_s", timing.high.in(unit::second)},
          {"least_s", timing.least.in(unit::second)},
          {"p95_s", timing.p95.in(unit::second)},
          {"samples", timing.samples},
          {"rank_spread", timing.rank_spread},
          {"mad_s", timing.mad.in(unit::second)},
          {"flags", flags_of(timing)}};
}

Seconds seconds_at(const Json& object, const char* key) {
  return object.at(key).get<double>() * unit::second;
}

// What profiles of earlier versions lack stays at its default.
Timing timing_of(const Json& line) {
  Timing timing{seconds_at(line, "median_s"),
                seconds_at(line, "low_s"),
                seconds_at(line, "high_s"),
                seconds_at(line, "least_s"),
                seconds_at(line, "p95_s"),
                line.at("samples").get<std::int64_t>(),
                line.at("rank_spread").get<double>()};
  timing.mad = line.value("mad_s", 0.0) * unit::second;
  const auto flags = line.value("flags", std::vector<std::string>());
  for (const auto& [member, name] : flag_names) {
    timing.*member = std::ranges::find(flags, name) != flags.end();
  }
  for (const double median : line.value("rank_medians_s", std::vector<double>())) {
    timing.rank_medians.push_back(median * unit::second);
  }
  return timing;
}

KernelRecord kernel_record(const KernelKey& key, const Json& line) {
  KernelRecord record{key, timing_of(line)};
  if (const auto hot = line.find("hot_median_s"); hot != line.end() && !hot->is_null()) {
    record.hot = hot->get<double>() * unit::second;
  }
  record.algorithm = line.value("algorithm", "");
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
            {"nics", node.nics}}},
          {"levels", std::move(levels)}};
}

void read_topology(const Json& topology, Profile& profile) {
  const Json& node = topology.at("node");
  profile.hosts = topology.at("hosts").get<std::vector<std::string>>();
  profile.ranks = topology.at("ranks").get<std::int64_t>();
  profile.ranks_per_node = topology.at("ranks_per_node").get<std::int64_t>();
  profile.node.host = node.at("host").get<std::string>();
  profile.node.cpu_model = node.at("cpu_model").get<std::string>();
  profile.node.sockets = node.at("sockets").get<std::int64_t>();
  profile.node.numa_domains = node.at("numa_domains").get<std::int64_t>();
  profile.node.cores = node.at("cores").get<std::int64_t>();
  profile.node.memory = node.at("memory_bytes").get<double>() * unit::byte;
  profile.node.last_level_cache = node.at("last_level_cache_bytes").get<double>() * unit::byte;
  profile.node.isa = node.at("isa").get<std::vector<std::string>>();
  profile.node.gpus = node.at("gpus").get<std::vector<std::string>>();
  profile.node.nics = node.at("nics").get<std::vector<std::string>>();
  if (profile.ranks < 1 || profile.ranks_per_node < 1) {
    throw InputError("profile", "has fewer than one rank");
  }
  for (const Json& line : topology.at("levels")) {
    LinkLevel level;
    level.name = line.at("name").get<std::string>();
    level.devices = line.at("devices").get<std::int64_t>();
    level.bandwidth = line.at("bandwidth_bytes_per_s").get<double>() * unit::byte / unit::second;
    level.latency = seconds_at(line, "latency_s");
    level.source = "measured";
    profile.levels.push_back(level);
    profile.level_errors.push_back(line.at("fit_error").get<double>());
  }
}

void read_device(const Json& document, Profile& profile) {
  const Json& device = document.at("device");
  profile.device.kind = device.at("kind").get<std::string>();
  profile.device.name = device.at("name").get<std::string>();
  profile.device.cores = device.at("cores_per_device").get<std::int64_t>();
  profile.device.memory = device.at("memory_bytes").get<double>() * unit::byte;
  profile.device.last_level_cache = device.at("last_level_cache_bytes").get<double>() * unit::byte;
  profile.device.pci_id = device.at("pci_id").get<std::string>();
  for (const auto& [name, version] : document.at("software").items()) {
    profile.device.software.emplace_back(name, version.get<std::string>());
  }
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
                            job.at("micro_batch").get<std::int64_t>(),
                            job.at("seq").get<std::int64_t>()});
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
  return line;
}

Json to_json(const CollectiveRecord& record) {
  return timing_json(text_of(record.key), record.timing);
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
  document["overlap"] = nullptr;
  document["overlap_note"] =
      "not measured: computation and communication are priced one after the other";
  document["sustained_factor"] =
      profile.sustained_factor ? Json(*profile.sustained_factor) : Json(nullptr);
  document["clock_hz"] = profile.clock_hz ? Json(*profile.clock_hz) : Json(nullptr);
  document["skipped"] = profile.skipped;
  document["elapsed_s"] = profile.elapsed_s;
  return document;
}

void add_record(const Json& line, Profile& profile) {
  const auto text = line.at("key").get<std::string>();
  check_timing(text, timing_of(line));
  if (const auto kernel = kernel_key_from(text)) {
    profile.kernels.push_back(kernel_record(*kernel, line));
  } else if (const auto collective = collective_key_from(text)) {
    profile.collectives.push_back({*collective, timing_of(line)});
  } else {
    throw InputError("profile",
                     "'" + text + "' names no kernel or collective that this build knows");
  }
}

Profile read_profile(const std::string& path) {
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path)) {
    throw InputError(path,
                     "cannot be read (expected a profile that 'forerun measure --out' wrote)");
  }
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) {
    throw InputError(path,
                     "is not valid JSON: truncated, or not a profile (if a 'measure' was "
                     "killed, run it again with --resume)");
  }
  if (!document.is_object() || document.value("kind", "") != "profile") {
    throw InputError(path,
                     "is JSON but not a profile (expected \"kind\": \"profile\", as 'forerun "
                     "measure --out' writes)");
  }
  if (document.value("schema_version", 0) != known_schema) {
    throw InputError(path,
                     "has schema_version " + document.value("schema_version", Json()).dump() +
                         " (this build reads " + std::to_string(known_schema) + ")");
  }
  return profile_of(document, path);
}

}  // namespace forerun
