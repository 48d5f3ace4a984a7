// Public tables of collective timings, read into records.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/collective_key.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// One published timing. The format of its elements is taken for bf16: it hardly matters and is
/// often not printed.
struct PublicCollective {
  std::string id;
  std::string source;   ///< as the table names it; the file's name where it does not
  std::string machine;  ///< timings of one machine may tell of each other: file, source, device
  std::string device;   ///< the source's words for it
  CollectiveKey key;
  Seconds time;
  std::optional<BytesPerSecond> network;  ///< per device, one way, where the row states it
  bool is_switch_reduction_off = false;   ///< "Ring (NVLS off)"
  std::string skip_reason;                ///< why it is not compared; empty when it is
};

/// A table in one of three forms, known by its header: columns `collective`, `num_gpus`,
/// `payload_bytes` and one of `time_us`, `algbw_gbps`, `busbw_gbps`; Vidur's network tables
/// (`num_workers`, `size`, `devices_per_node`, milliseconds; the device from the file's name); and
/// vTrain's (`size(B)`, `time(ns)`; device and GPUs from a name like vtrain-a100-allreduce-8gpu).
/// Rows that name no one collective come back with a reason. Throws InputError with file and line.
[[nodiscard]] std::vector<PublicCollective> read_collective_table(const std::string& path);

/// Every such table of files and folders. Throws InputError naming a path that holds none.
[[nodiscard]] std::vector<PublicCollective> read_public_collectives(
    std::span<const std::string> paths);

}  // namespace forerun
