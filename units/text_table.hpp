// Tables for people: numbers to the right, within the columns that a stream's lines may take.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace forerun {

enum class Align { left, right };

struct TextColumn {
  std::string title;  ///< may have several lines, a unit in the last
  Align align = Align::right;
};

/// Rows of cells under titles. Where all do not fit into the line limit of the stream, the words of
/// the longest left-aligned column are wrapped; where too little is left for it and it is the
/// first, it gets lines of its own; where that is still too wide, columns follow below, each time
/// with the first. Nothing is left out.
class TextTable {
 public:
  explicit TextTable(std::vector<TextColumn> columns, std::size_t indent = 0);

  /// As many cells as columns, or fewer: the last ones are then empty.
  void add(std::vector<std::string> cells);

  void print(std::ostream& out) const;

 private:
  using Widths = std::vector<std::size_t>;

  void print_line(const std::vector<std::string>& cells,
                  const Widths& widths,
                  std::ostream& out) const;
  void print_whole(const Widths& widths, std::ostream& out) const;
  void print_narrow(Widths widths, std::size_t limit, std::ostream& out) const;
  void print_stacked(const Widths& widths, std::ostream& out) const;
  void print_in_turn(const Widths& widths, std::size_t limit, std::ostream& out) const;
  [[nodiscard]] std::size_t total(const Widths& widths) const;
  [[nodiscard]] Widths natural_widths() const;
  [[nodiscard]] std::size_t longest_left_column(const Widths& widths) const;
  [[nodiscard]] std::size_t least_width(std::size_t column) const;
  [[nodiscard]] std::vector<std::string> titles() const;

  std::vector<TextColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::size_t indent_;
  std::size_t gap_ = 2;  ///< spaces between columns
};

}  // namespace forerun
