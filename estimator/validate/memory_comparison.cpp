#include "estimator/validate/memory_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

Bytes tensors_of(const StageMemory& memory) {
  return memory.weights + memory.gradients + memory.optimizer_states + memory.activations +
         memory.transient;
}

Bytes counted(const StageMemory& memory, const std::string& kind) {
  if (kind == "allocated") {
    return tensors_of(memory);
  }
  if (kind == "reserved") {
    return tensors_of(memory) + memory.fragmentation;
  }
  if (kind.empty() || kind == "device") {
    return total_of(memory);
  }
  throw InputError("memory_kind",
                   fmt::format("'{}' (expected allocated, reserved or device)", kind));
}

struct MemoryErrors {
  std::int64_t rows = 0;
  double size_sum = 0.0;
  double sum = 0.0;
  double most = 0.0;

  void add(double error) {
    ++rows;
    size_sum += std::abs(error);
    sum += error;
    most = std::max(most, std::abs(error));
  }
};

struct Verdicts {
  std::int64_t fitted = 0;
  std::int64_t false_infeasible = 0;
  std::int64_t ran_out = 0;
  std::int64_t false_feasible = 0;

  void add(const MemoryComparison& memory, bool has_time) {
    if (memory.ran_out) {
      ++ran_out;
      false_feasible += memory.is_called_feasible ? 1 : 0;
    } else if (has_time || memory.published) {
      ++fitted;
      false_infeasible += memory.is_called_feasible ? 0 : 1;
    }
  }
};

Json errors_json(const std::string& name, const MemoryErrors& errors) {
  const auto count = static_cast<double>(errors.rows);
  return {{"name", name},
          {"rows", errors.rows},
          {"mape", errors.size_sum / count},
          {"bias", errors.sum / count},
          {"max", errors.most}};
}

}  // namespace

MemoryComparison compare_memory(const TrainingRow& row,
                                const Cells& cells,
                                const JobEstimate& estimate) {
  MemoryComparison comparison;
  comparison.ran_out = text_in(cells, "task").find("OOM") != std::string::npos;
  comparison.is_called_feasible = !estimate.infeasible_because;
  const std::string kind = text_in(cells, "memory_kind");
  Bytes most;
  for (const StageMemory& stage : estimate.step.memory) {
    most = std::max(most, counted(stage, kind));
  }
  comparison.predicted = most;
  if (const auto printed = number_in(row.results, "memory_gb"); printed && *printed > 0.0) {
    const bool is_decimal = text_in(cells, "memory_unit") == "GB";
    comparison.published = *printed * (is_decimal ? unit::gigabyte : unit::gibibyte);
  }
  return comparison;
}

Json memory_json(const std::vector<ValidationRow>& rows) {
  std::map<std::string, MemoryErrors> sources;
  Verdicts verdicts;
  for (const ValidationRow& row : rows) {
    if (!row.memory) {
      continue;
    }
    verdicts.add(*row.memory, row.published.has_value());
    if (row.memory->published && row.memory->predicted) {
      sources[row.groups.front()].add(*row.memory->predicted / *row.memory->published - 1.0);
    }
  }
  Json json{{"fitted", verdicts.fitted},
            {"false_infeasible", verdicts.false_infeasible},
            {"ran_out", verdicts.ran_out},
            {"false_feasible", verdicts.false_feasible}};
  json["groups"] = Json::array();
  for (const auto& [name, errors] : sources) {
    json["groups"].push_back(errors_json(name, errors));
  }
  return json;
}

}  // namespace forerun
