// What the operating system and oneDNN say about the CPU under this process.
#pragma once

#include <string>

#include "kernels/device.hpp"
#include "units/quantity.hpp"

namespace forerun::host {

/// "Intel(R) Xeon(R) Platinum 8480+"; "unknown CPU" where the system does not say.
[[nodiscard]] std::string cpu_model();

/// Threads for one rank: the cores in the process's affinity mask; where the mask is the whole node
/// (nothing was bound) and several ranks share it, an equal part, at least 1.
[[nodiscard]] int threads_for(const DeviceChoice& choice);

[[nodiscard]] Bytes node_memory();
/// The largest cache level the system reports; zero when it reports none.
[[nodiscard]] Bytes last_level_cache();

[[nodiscard]] std::string onednn_version();
/// The best instruction set that oneDNN uses here: "avx512_core", "avx2", ...
[[nodiscard]] std::string onednn_isa();

}  // namespace forerun::host
