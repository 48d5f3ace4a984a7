#include "estimator/import/merge_profiles.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include <fmt/format.h>

#include "estimator/profile/compare_profiles.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::string described(const DeviceReport& device) {
  return device.cores > 0 ? fmt::format("{} with {} cores", device.name, device.cores)
                          : device.name;
}

void refuse_other_device(const Profile& first, const Profile& other) {
  const DeviceReport& a = first.device;
  const DeviceReport& b = other.device;
  const bool same_cores = a.cores == b.cores || a.cores == 0 || b.cores == 0;
  if (a.kind != b.kind || a.name != b.name || !same_cores) {
    throw InputError(other.path,
                     fmt::format("was measured on '{}' ({}), {} on '{}' ({}) (expected profiles of "
                                 "one cluster)",
                                 described(b),
                                 b.kind,
                                 first.path,
                                 described(a),
                                 a.kind));
  }
}

bool are_apart(const Timing& a, const Timing& b) {
  return a.high < b.low || b.high < a.low;
}

// Records by key, later ones over earlier ones; what they contradict goes to `conflicts`.
template <typename Record>
void lay_over(std::vector<Record>& records,
              const std::vector<Record>& newer,
              std::vector<MergeConflict>& conflicts) {
  std::map<decltype(Record::key), std::size_t> places;
  for (std::size_t i = 0; i < records.size(); ++i) {
    places.emplace(records[i].key, i);
  }
  for (const Record& record : newer) {
    const auto [place, is_new] = places.try_emplace(record.key, records.size());
    if (is_new) {
      records.push_back(record);
      continue;
    }
    Record& known = records[place->second];
    if (are_apart(known.timing, record.timing)) {
      conflicts.push_back({text_of(record.key), known.timing.median, record.timing.median});
    }
    known = record;
  }
}

// Keys that one run left out and another measured are not missing.
void drop_measured(Profile& profile) {
  std::set<std::string> measured;
  for (const KernelRecord& record : profile.kernels) {
    measured.insert(text_of(record.key));
  }
  for (const CollectiveRecord& record : profile.collectives) {
    measured.insert(text_of(record.key));
  }
  // "KEY: why it was left out"
  const std::set<std::string> missing(profile.skipped.begin(), profile.skipped.end());
  profile.skipped.clear();
  std::ranges::copy_if(missing, std::back_inserter(profile.skipped), [&](const std::string& text) {
    return !measured.contains(text.substr(0, text.find(": ")));
  });
}

void lay_over(std::vector<OverlapPoint>& points, const std::vector<OverlapPoint>& newer) {
  const auto name_of_point = [](const OverlapPoint& point) {
    return std::tuple(point.compute, point.op, point.bytes);
  };
  for (const OverlapPoint& point : newer) {
    const auto known = std::ranges::find(points, name_of_point(point), name_of_point);
    if (known == points.end()) {
      points.push_back(point);
    } else {
      *known = point;
    }
  }
}

std::int64_t ranks_of(const std::optional<MeasuredTopology>& topology) {
  return topology && !topology->levels.empty() ? topology->levels.back().devices : 0;
}

// Distances between ranks alone; between each two only where the ranks sit where the other's do.
Profile links_of(const Profile& profile, bool has_same_ranks) {
  Profile links;
  links.topology = profile.topology;
  links.hosts = profile.hosts;
  if (!has_same_ranks && links.topology) {
    links.topology->pairs.clear();
  }
  return links;
}

// Levels and links that became slower, or faster, beyond both intervals.
void name_conflicts(const Profile& older,
                    const Profile& newer,
                    std::vector<MergeConflict>& conflicts) {
  const bool has_same_ranks = !older.hosts.empty() && older.hosts == newer.hosts;
  const Profile old_links = links_of(older, has_same_ranks);
  const Profile new_links = links_of(newer, has_same_ranks);
  for (const Comparison& row : compare_profiles(old_links, new_links, 0.0)) {
    if (row.is_slower) {
      conflicts.push_back({row.key, row.old_s * unit::second, row.new_s * unit::second});
    }
  }
  for (const Comparison& row : compare_profiles(new_links, old_links, 0.0)) {
    if (row.is_slower) {
      conflicts.push_back({row.key, row.new_s * unit::second, row.old_s * unit::second});
    }
  }
}

// The topology of the most ranks, of equally many the newer one.
void add_topology(const Profile& newer, MergedProfile& merged) {
  Profile& profile = merged.profile;
  if (ranks_of(newer.topology) > 0) {
    name_conflicts(profile, newer, merged.conflicts);
    if (ranks_of(newer.topology) >= ranks_of(profile.topology)) {
      profile.topology = newer.topology;
    }
  }
  if (!newer.hosts.empty() && newer.hosts.size() >= profile.hosts.size()) {
    profile.hosts = newer.hosts;
  }
}

std::string versions_of(const Profile& profile) {
  std::string text;
  for (const auto& [name, version] : profile.device.software) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, version);
  }
  return text;
}

// After an update records of both versions stand side by side.
void warn_of_other_software(const Profile& newer, Profile& profile) {
  const std::string known = versions_of(profile);
  const std::string other = versions_of(newer);
  if (!known.empty() && !other.empty() && known != other) {
    profile.warnings.push_back(fmt::format(
        "joins records of {} ({}) with later ones of {} ({}): what only one of them measured is "
        "that version's",
        profile.path,
        known,
        newer.path,
        other));
  }
}

void add_profile(const Profile& newer, MergedProfile& merged) {
  Profile& profile = merged.profile;
  warn_of_other_software(newer, profile);
  lay_over(profile.kernels, newer.kernels, merged.conflicts);
  lay_over(profile.collectives, newer.collectives, merged.conflicts);
  std::set<MeasuredJob> jobs(profile.jobs.begin(), profile.jobs.end());
  jobs.insert(newer.jobs.begin(), newer.jobs.end());
  profile.jobs.assign(jobs.begin(), jobs.end());
  profile.skipped.insert(profile.skipped.end(), newer.skipped.begin(), newer.skipped.end());
  profile.date = newer.date;
  profile.elapsed_s += newer.elapsed_s;
  lay_over(profile.overlap, newer.overlap);
  std::ranges::copy_if(
      newer.warnings, std::back_inserter(profile.warnings), [&](const std::string& warning) {
        return std::ranges::find(profile.warnings, warning) == profile.warnings.end();
      });
  add_topology(newer, merged);
  profile.ranks = std::max(profile.ranks, newer.ranks);
  profile.ranks_per_node = std::max(profile.ranks_per_node, newer.ranks_per_node);
  // A profile that was made from a log knows little of the device and the node.
  if (newer.device.memory > Bytes()) {
    profile.device = newer.device;
  }
  if (newer.node.cores > 0) {
    profile.node = newer.node;
  }
  profile.sustained_factor =
      newer.sustained_factor ? newer.sustained_factor : profile.sustained_factor;
  profile.layer_factor = newer.layer_factor ? newer.layer_factor : profile.layer_factor;
  // Of a single rank, or of few, nothing follows for many.
  const auto ranks_of = [](const std::vector<NoisePoint>& noise) {
    return noise.empty() ? 0 : noise.back().ranks;
  };
  if (ranks_of(newer.noise) >= ranks_of(profile.noise)) {
    profile.noise = newer.noise;
  }
  profile.clock_hz = newer.clock_hz ? newer.clock_hz : profile.clock_hz;
}

}  // namespace

MergedProfile merge_profiles(std::vector<Profile> profiles) {
  for (const Profile& profile : profiles) {
    refuse_other_device(profiles.front(), profile);
  }
  // ISO dates sort as text.
  std::ranges::stable_sort(profiles, {}, &Profile::date);
  MergedProfile merged{profiles.front(), {}};
  for (std::size_t i = 1; i < profiles.size(); ++i) {
    add_profile(profiles[i], merged);
  }
  drop_measured(merged.profile);
  fit_levels(merged.profile);
  return merged;
}

}  // namespace forerun
