// What the operating system and oneDNN say about the CPU under this process.
#pragma once

#include <optional>
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

/// The clock that the system reports for the core that asks (where it has no cpufreq, for the first
/// one); nothing where it reports none.
[[nodiscard]] std::optional<double> clock_hz();

/// Bytes that a core can load and store in one cycle: two vectors in, one out.
[[nodiscard]] double bytes_per_cycle();

/// FLOP a core can do in one cycle with the widest instructions that oneDNN uses here: two FMA
/// units of the vector width (32 on AVX2, 64 on AVX-512; twice that in bf16 where the CPU
/// multiplies it), 2048 with AMX tiles in bf16 (16 x 16 x 32 multiply-adds in 16 cycles, two FLOP
/// each; Intel 64 and IA-32 Architectures Optimization Reference Manual, chapter 20).
[[nodiscard]] double flop_per_cycle(DataType type);

[[nodiscard]] std::string onednn_version();
/// The best instruction set that oneDNN uses here: "avx512_core", "avx2", ...
[[nodiscard]] std::string onednn_isa();

}  // namespace forerun::host
