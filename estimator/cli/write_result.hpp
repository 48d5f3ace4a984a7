// A result document to where the user wants it, in the form that he asked for.
#pragma once

#include <functional>
#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

#include "estimator/cli/options.hpp"

namespace forerun {

using TablePrinter = std::function<void(const nlohmann::ordered_json&, std::ostream&)>;

/// The document as table, JSON or CSV: to `--out` (whole or not at all) or to `out`, which is
/// standard output: there lines of a table are broken to its columns. Throws std::runtime_error
/// when the file or the stream cannot be written.
void write_result(const nlohmann::ordered_json& document,
                  const TablePrinter& table,
                  const Options& options,
                  std::ostream& out);

/// The same text as a string.
[[nodiscard]] std::string result_text(const nlohmann::ordered_json& document,
                                      const TablePrinter& table,
                                      Format format);

}  // namespace forerun
