// What a log of nccl-tests or of the OSU micro-benchmarks says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// What the user says about a log, for what it does not print itself.
struct LogContext {
  std::optional<std::int64_t> ranks;
  std::optional<std::int64_t> ranks_per_node;
};

struct ImportedLog {
  std::string path;
  std::string device;              ///< as the log names it; empty where it does not
  std::string device_kind = {};    ///< "host" or "cuda", where the log says it
  std::vector<std::string> hosts;  ///< of each rank of the largest run
  std::vector<std::pair<std::string, std::string>> software;  ///< ("nccl-tests", "2.17.6")
  std::vector<CollectiveRecord> records;
  std::map<std::string, std::int64_t> skipped;  ///< rows by the reason for which they are left out
};

/// One mean of `samples` repetitions, all that such a log prints. The interval is 3 % to either
/// side, to which `measure` settles a collective's median (modelling.md 10.3).
[[nodiscard]] Timing timing_of_mean(Seconds mean, std::int64_t samples);

/// Logs of nccl-tests' *_perf programs, several runs in one file if need be, and the table that
/// `measure --comm-only` prints. Ranks, groups, hosts and the device come from the "Rank" lines;
/// with NCCL_TESTS_SPLIT a key's ranks are those of one group, and the groups that have ranks on
/// one node are concurrent. The collective comes from the program's name in the log or in the
/// file's name. Out-of-place times; in-place ones where there are no others; of our own table the
/// isolated ones. A last row that a killed run cut off is left out. Throws InputError with file
/// and line for rows that do not fit their header, numbers that are none, wrong results in or out
/// of place (#wrong above 0, or an `error` beyond the bound of nccl-tests' DeltaMaxValue), rates
/// whose quotient busbw / algbw is not that of the collective and its ranks (nccl-tests,
/// PERFORMANCE.md), groups of different sizes, and a collective or number of ranks that is nowhere
/// said.
[[nodiscard]] ImportedLog read_nccl_tests(const std::string& path, const LogContext& context);
/// The same from text; `path` names it.
[[nodiscard]] ImportedLog read_nccl_tests_text(std::string_view text,
                                               const std::string& path,
                                               const LogContext& context);

/// Logs of OSU's blocking collective latency tests and of osu_latency, over MPI or NCCL, from host
/// or device memory; others (non-blocking, persistent, neighbourhood, one-sided) are left out by
/// their title. Its sizes per peer (all-gather, all-to-all) become nccl-tests' full sizes. The
/// maximum over ranks where it is printed (-f), else the average; elements of the type that it
/// says, else fp32. Titles of other than plain MPI ("MPI-CUDA", "NCCL") are of kind "cuda". The
/// number of ranks is not in the log: `context` has it. A last row that was cut off is left out.
/// Throws InputError with file and line, also for a row whose validation failed and for rows of
/// device buffers beside the host's.
[[nodiscard]] ImportedLog read_osu(const std::string& path, const LogContext& context);
/// The same from text; `path` names it.
[[nodiscard]] ImportedLog read_osu_text(std::string_view text,
                                        const std::string& path,
                                        const LogContext& context);

}  // namespace forerun
