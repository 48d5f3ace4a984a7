// How much memory this process may still take before something is killed for it.
#pragma once

#include <filesystem>

#include "units/quantity.hpp"

namespace forerun::host {

/// What the node has available (MemAvailable), or less where a control group of this process, or
/// one above it, has less left: version 2's memory.max and version 1's memory.limit_in_bytes, less
/// memory in use that is not clean cache. Infinite where the system says nothing. `root` is where
/// /proc and /sys are found.
[[nodiscard]] Bytes memory_room(const std::filesystem::path& root = "/");

/// Gives freed memory that the C library keeps back to the system, where it is more than `most`:
/// the system does not count it as available.
void release_kept_memory(Bytes most);

}  // namespace forerun::host
