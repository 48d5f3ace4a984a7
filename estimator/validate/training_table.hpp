// Published training runs, read from a table: what was run apart from what came out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace forerun {

/// Cells of one row by column; blank ones are absent.
using Cells = std::map<std::string, std::string>;

/// One published run. Whatever decides how it is predicted sees `configuration` alone.
struct TrainingRow {
  std::string id;
  std::string source;
  std::string place;    ///< "training_runs.csv:17", for messages
  Cells configuration;  ///< no result column
  Cells results;        ///< result columns only
};

/// Columns that hold what came out of a run: step time, rates, utilisation, memory, hours.
[[nodiscard]] const std::vector<std::string>& result_columns();

/// Every row of the file, in order. Columns beyond `id` and `source` may be missing, and cells may
/// hold anything: what cannot be used is told row by row later. Throws InputError for a file that
/// is no CSV, and for a table of kernels, collectives or inference.
[[nodiscard]] std::vector<TrainingRow> read_training_table(const std::string& path);

/// The number in a cell; nothing where it is absent. Throws InputError naming the column when it
/// is no finite number.
[[nodiscard]] std::optional<double> number_in(const Cells& cells, const std::string& column);
/// A whole number of at least `least`; otherwise as above.
[[nodiscard]] std::optional<std::int64_t> count_in(const Cells& cells,
                                                   const std::string& column,
                                                   std::int64_t least = 1);
/// Empty where it is absent.
[[nodiscard]] std::string text_in(const Cells& cells, const std::string& column);

}  // namespace forerun
