// How a model is trained, apart from how it is split: batch, sequence, precision, recomputation.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace forerun {

enum class Precision { bf16, fp16, fp32, fp8, mxfp8, nvfp4 };
enum class Recompute { none, selective, full };
enum class Schedule { gpipe, one_f_one_b, interleaved };
/// 0: every data-parallel rank keeps and updates everything; 1: optimizer state is sharded.
enum class ZeroStage { none = 0, optimizer = 1 };
enum class SequenceParallel { off, on };

struct Recipe {
  std::int64_t global_batch = 1;  ///< sequences per optimizer step
  std::int64_t micro_batch = 1;   ///< sequences
  std::int64_t sequence = 0;      ///< tokens
  Precision precision = Precision::bf16;
  Recompute recompute = Recompute::none;
  ZeroStage zero = ZeroStage::optimizer;
  SequenceParallel sequence_parallel = SequenceParallel::on;
  std::optional<Schedule> schedule = std::nullopt;  ///< absent: 1f1b, interleaved when vp > 1
  std::optional<double> tokens = std::nullopt;      ///< of the whole run
};

/// The spellings that the command line and JSON use ("bf16", "none", "1f1b", ...).
[[nodiscard]] std::string_view name_of(Precision precision);
[[nodiscard]] std::string_view name_of(Recompute recompute);
[[nodiscard]] std::string_view name_of(Schedule schedule);

/// The way back; nothing for any other spelling.
[[nodiscard]] std::optional<Precision> precision_from(std::string_view name);
[[nodiscard]] std::optional<Recompute> recompute_from(std::string_view name);
[[nodiscard]] std::optional<Schedule> schedule_from(std::string_view name);

}  // namespace forerun
