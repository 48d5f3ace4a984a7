#include "estimator/import/profile_of_logs.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

std::string date_of(std::span<const ImportedLog> logs) {
  auto newest = std::filesystem::file_time_type::min();
  for (const ImportedLog& log : logs) {
    newest = std::max(newest, std::filesystem::last_write_time(log.path));
  }
  const auto seconds = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(
          std::chrono::file_clock::to_sys(newest)));
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
}

std::string device_of(std::span<const ImportedLog> logs, const std::optional<std::string>& given) {
  if (given) {
    return *given;
  }
  std::string device;
  for (const ImportedLog& log : logs) {
    if (!device.empty() && !log.device.empty() && log.device != device) {
      throw InputError(log.path,
                       fmt::format("was taken on '{}', the logs before it on '{}' (expected one "
                                   "device, or --device-name)",
                                   log.device,
                                   device));
    }
    device = log.device.empty() ? device : log.device;
  }
  if (device.empty()) {
    throw InputError("--device-name", "is missing: the log names no device");
  }
  return device;
}

std::string kind_of(std::span<const ImportedLog> logs, LogKind kind) {
  const std::string usual = kind == LogKind::nccl_tests ? "cuda" : "host";
  const auto kind_in = [&](const ImportedLog& log) {
    return log.device_kind.empty() ? usual : log.device_kind;
  };
  for (const ImportedLog& log : logs) {
    if (kind_in(log) != kind_in(logs.front())) {
      throw InputError(log.path,
                       fmt::format("was taken on '{}', the logs before it on '{}' (expected one "
                                   "kind of device)",
                                   kind_in(log),
                                   kind_in(logs.front())));
    }
  }
  return logs.empty() ? usual : kind_in(logs.front());
}

}  // namespace

Profile profile_of_logs(std::span<const ImportedLog> logs,
                        LogKind kind,
                        const std::optional<std::string>& device_name) {
  Profile profile;
  profile.date = date_of(logs);
  profile.device.kind = kind_of(logs, kind);
  profile.device.name = device_of(logs, device_name);
  std::map<CollectiveKey, CollectiveRecord> records;
  for (const ImportedLog& log : logs) {
    for (const CollectiveRecord& record : log.records) {
      records.insert_or_assign(record.key, record);
      profile.ranks = std::max(profile.ranks, record.key.group.ranks);
      profile.ranks_per_node = std::max(profile.ranks_per_node, record.key.group.ranks_per_node);
    }
    if (log.hosts.size() > profile.hosts.size()) {
      profile.hosts = log.hosts;
    }
    for (const std::string& host : log.hosts) {
      profile.ranks_per_node =
          std::max<std::int64_t>(profile.ranks_per_node, std::ranges::count(log.hosts, host));
    }
    // Groups that were split off are fewer than all ranks.
    profile.ranks = std::max(profile.ranks, std::ssize(log.hosts));
    for (const auto& entry : log.software) {
      if (std::ranges::find(profile.device.software, entry) == profile.device.software.end()) {
        profile.device.software.push_back(entry);
      }
    }
  }
  for (const auto& [key, record] : records) {
    profile.collectives.push_back(record);
  }
  profile.node.host = profile.hosts.empty() ? "" : profile.hosts.front();
  fit_levels(profile);
  return profile;
}

}  // namespace forerun
