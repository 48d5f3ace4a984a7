#include "kernels/host/memory_room.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "units/unit.hpp"

namespace forerun::host {
namespace {

namespace fs = std::filesystem;

// Files of one control group, whose names differ between the versions.
struct GroupFiles {
  const char* limit;
  const char* usage;
  const char* cache;  ///< the line of memory.stat that can be given up
};

constexpr GroupFiles version_2{"memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles version_1{
    "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};

// Nothing for "max" too.
std::optional<double> number_in(const fs::path& path) {
  std::ifstream file(path);
  double value = 0.0;
  return file >> value ? std::optional(value) : std::nullopt;
}

// The number after a name: "MemAvailable:   12 kB", "inactive_file 4096".
double number_after(const std::string& name, const fs::path& path) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    double value = 0.0;
    if (word == name && file >> value) {
      return value;
    }
  }
  return 0.0;
}

Bytes left_in(const fs::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit);
  const auto usage = number_in(group / files.usage);
  if (!limit || !usage) {
    return Bytes::infinite();
  }
  const double held = *usage - number_after(files.cache, group / "memory.stat");
  return std::max(0.0, *limit - held) * unit::byte;
}

// The least of a group and of those above it. In a container the path may be one of the host's,
// which is not seen there: then the mount itself is the group.
Bytes least_up_from(const fs::path& mount, const fs::path& group, const GroupFiles& files) {
  Bytes least = left_in(mount, files);
  for (fs::path at = group; at.has_relative_path(); at = at.parent_path()) {
    least = std::min(least, left_in(mount / at.relative_path(), files));
  }
  return least;
}

bool names_memory(const std::string& controllers) {
  return ("," + controllers + ",").find(",memory,") != std::string::npos;
}

}  // namespace

Bytes memory_room(const fs::path& root) {
  const double available = number_after("MemAvailable:", root / "proc/meminfo");
  Bytes room = available > 0.0 ? available * unit::kibibyte : Bytes::infinite();
  std::ifstream groups(root / "proc/self/cgroup");
  std::string line;  // "0::/user.slice", "5:memory:/slurm/job_7"
  while (std::getline(groups, line)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    const fs::path group = line.substr(second + 1);
    if (second == first + 1) {
      room = std::min(room, least_up_from(root / "sys/fs/cgroup", group, version_2));
    } else if (names_memory(line.substr(first + 1, second - first - 1))) {
      room = std::min(room, least_up_from(root / "sys/fs/cgroup/memory", group, version_1));
    }
  }
  return room;
}

void release_kept_memory([[maybe_unused]] Bytes most) {
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
  if (static_cast<double>(mallinfo2().fordblks) * unit::byte > most) {
    malloc_trim(0);
  }
#endif
#endif
}

}  // namespace forerun::host
