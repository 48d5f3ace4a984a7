// The iteration lines that Megatron-LM and torchtitan print while they train.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "units/quantity.hpp"

namespace forerun {

enum class LogFormat { megatron, torchtitan };

[[nodiscard]] std::string_view name_of(LogFormat format);

/// One line. Megatron-LM prints the time, torchtitan the tokens per second of a device.
struct LogIteration {
  std::int64_t number = 0;
  std::optional<Seconds> time;
  std::optional<double> tokens_per_second;  ///< of one device
  std::optional<std::int64_t> batch;        ///< sequences
  std::optional<double> tflops;             ///< per device, as the framework counts
};

struct TrainingLog {
  LogFormat format = LogFormat::megatron;
  std::vector<LogIteration> iterations;
  std::optional<Bytes> most_allocated;  ///< peak over ranks and iterations
  std::optional<Bytes> most_reserved;   //
  /// Mean of each of Megatron-LM's timers (--timing-log-level), the slowest rank's.
  std::map<std::string, Seconds> timers;
};

/// Colours are left out, other lines skipped. Throws InputError where no line is an iteration's.
/// Formats: megatron/training/training.py (training_log) and core/timers.py;
/// torchtitan/components/metrics.py.
[[nodiscard]] TrainingLog read_training_log_text(std::string_view text, const std::string& where);
[[nodiscard]] TrainingLog read_training_log(const std::string& path);

}  // namespace forerun
