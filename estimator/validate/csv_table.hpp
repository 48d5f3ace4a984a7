// A CSV file with a header line (RFC 4180: quotes, doubled quotes, line breaks inside quotes).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// Errors are InputError and name file, line and column. Files above 64 MiB are refused.
class CsvTable {
 public:
  /// Throws when the file cannot be read, a quote does not close, or a line has another number of
  /// fields than the header.
  [[nodiscard]] static CsvTable read(const std::string& path);

  /// The same from text; `path` names it in messages.
  [[nodiscard]] static CsvTable parse(std::string text, const std::string& path);

  [[nodiscard]] const std::vector<std::string>& header() const { return header_; }

  [[nodiscard]] std::size_t rows() const { return lines_.size(); }

  [[nodiscard]] bool has(std::string_view column) const;

  /// The cell's text, empty where it is blank. Throws when there is no such column.
  [[nodiscard]] const std::string& text(std::size_t row, std::string_view column) const;
  /// Nothing where the cell is blank. Throws when it holds anything but a finite number.
  [[nodiscard]] std::optional<double> number(std::size_t row, std::string_view column) const;
  [[nodiscard]] double needed_number(std::size_t row, std::string_view column) const;
  /// A whole number of at most 2^53.
  [[nodiscard]] std::int64_t needed_count(std::size_t row, std::string_view column) const;

  /// "kernels.csv:17", for messages.
  [[nodiscard]] std::string place(std::size_t row) const;

 private:
  struct Line {
    std::size_t number = 0;  ///< in the file, from 1
    std::vector<std::string> cells;
  };

  [[nodiscard]] std::size_t column(std::string_view name) const;
  [[noreturn]] void refuse(std::size_t row, std::string_view column, const char* expected) const;

  std::string path_;
  std::vector<std::string> header_;
  std::vector<Line> lines_;
};

}  // namespace forerun
