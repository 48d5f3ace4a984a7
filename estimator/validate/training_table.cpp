#include "estimator/validate/training_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "estimator/validate/csv_table.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  const auto last = text.find_last_not_of(" \t");
  return first == std::string::npos ? std::string() : text.substr(first, last - first + 1);
}

// A table of something else holds no training run, and another option reads it.
void refuse_other_kinds(const CsvTable& table, const std::string& path) {
  struct Kind {
    const char* column;
    const char* of;
    const char* option;
  };

  constexpr std::array kinds{Kind{"kernel", "single kernels", "--kernels"},
                             Kind{"collective", "collectives", "--collectives"},
                             Kind{"phase", "inference", "--inference"}};
  for (const Kind& kind : kinds) {
    if (table.has(kind.column)) {
      throw InputError(path + ":1",
                       fmt::format("is a table of {} (column '{}'), which --table does not read "
                                   "(expected {})",
                                   kind.of,
                                   kind.column,
                                   kind.option));
    }
  }
}

}  // namespace

const std::vector<std::string>& result_columns() {
  static const std::vector<std::string> columns{"step_time_s",
                                                "tflops_per_gpu",
                                                "mfu_pct",
                                                "hfu_pct",
                                                "tokens_per_s_per_gpu",
                                                "memory_gb",
                                                "gpu_hours",
                                                "time_to_train_min"};
  return columns;
}

std::vector<TrainingRow> read_training_table(const std::string& path) {
  const CsvTable table = CsvTable::read(path);
  refuse_other_kinds(table, path);
  std::vector<TrainingRow> rows(table.rows());
  for (std::size_t i = 0; i < table.rows(); ++i) {
    TrainingRow& row = rows[i];
    row.id = trimmed(table.text(i, "id"));
    row.source = trimmed(table.text(i, "source"));
    row.place = table.place(i);
    for (const std::string& column : table.header()) {
      std::string cell = trimmed(table.text(i, column));
      if (cell.empty()) {
        continue;
      }
      const bool is_result = std::ranges::find(result_columns(), column) != result_columns().end();
      (is_result ? row.results : row.configuration).insert_or_assign(column, std::move(cell));
    }
  }
  return rows;
}

std::optional<double> number_in(const Cells& cells, const std::string& column) {
  const auto found = cells.find(column);
  if (found == cells.end()) {
    return std::nullopt;
  }
  const std::string& text = found->second;
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    throw InputError(column, fmt::format("'{}' (expected a number)", text));
  }
  return value;
}

std::optional<std::int64_t> count_in(const Cells& cells,
                                     const std::string& column,
                                     std::int64_t least) {
  constexpr double most = 9007199254740992.0;  // 2^53
  const auto value = number_in(cells, column);
  if (!value) {
    return std::nullopt;
  }
  if (*value != std::floor(*value) || *value < static_cast<double>(least) || *value > most) {
    throw InputError(
        column,
        fmt::format("'{}' (expected a whole number of at least {})", cells.at(column), least));
  }
  return static_cast<std::int64_t>(*value);
}

std::string text_in(const Cells& cells, const std::string& column) {
  const auto found = cells.find(column);
  return found == cells.end() ? std::string() : found->second;
}

}  // namespace forerun
