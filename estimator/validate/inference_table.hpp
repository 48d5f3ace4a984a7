// Published measurements of serving, read from a table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "units/quantity.hpp"

namespace forerun {

/// One row: what ran apart from what came out. Absent cells are blank ones.
struct InferenceRow {
  std::string id;
  std::string source;
  std::string model;
  std::string gpu;         ///< the source's wording
  std::string gpu_family;  ///< "A100"
  std::string precision;
  std::string framework;  ///< "TensorRT-LLM 0.5"
  std::string phase;
  std::int64_t devices = 1;
  std::optional<std::int64_t> tensor;
  std::optional<std::int64_t> pipeline;
  std::optional<std::int64_t> expert;
  std::optional<std::int64_t> batch;  ///< sequences at once
  std::optional<std::int64_t> input_tokens;
  std::optional<std::int64_t> output_tokens;
  // What came out:
  std::optional<Seconds> latency;  ///< of the whole batch
  std::optional<Seconds> ttft;
  std::optional<Seconds> tpot;
  std::optional<double> tokens_per_s_per_device;  ///< generated
  /// The table says that its total may be a rate of one device.
  bool is_rate_ambiguous = false;
};

/// Columns as in inference_runs.csv; all but id, source, model, gpu_family and phase may be
/// missing. A total that its note calls ambiguous is taken for one device's, as the same table's
/// H100 column is. Throws InputError naming file, line and column.
[[nodiscard]] std::vector<InferenceRow> read_inference_table(const std::string& path);

}  // namespace forerun
