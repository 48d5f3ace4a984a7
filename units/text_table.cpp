#include "units/text_table.hpp"

#include <algorithm>
#include <numeric>
#include <ostream>
#include <string_view>
#include <utility>

#include "units/text_width.hpp"

namespace forerun {
namespace {

// Fewer columns of words are hard to read.
constexpr std::size_t least_of_words = 20;
// The first column's part of the line where it comes again, so that others find room beside it.
constexpr std::size_t parts_of_line = 3;
constexpr std::size_t stacked_indent = 2;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return lines;
    }
    text.remove_prefix(end + 1);
  }
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (const std::string& line : lines_of(text)) {
    width = std::max(width, columns_in(line));
  }
  return width;
}

std::size_t longest_word(std::string_view text) {
  std::size_t longest = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    longest = std::max(longest, columns_in(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return longest;
}

}  // namespace

TextTable::TextTable(std::vector<TextColumn> columns, std::size_t indent)
    : columns_(std::move(columns)), indent_(indent) {}

void TextTable::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::size_t TextTable::total(const Widths& widths) const {
  return std::accumulate(widths.begin(), widths.end(), indent_ + gap_ * (widths.size() - 1));
}

// As many columns as there are where none is aligned left.
std::size_t TextTable::longest_left_column(const Widths& widths) const {
  std::size_t longest = columns_.size();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].align == Align::left &&
        (longest == columns_.size() || widths[i] > widths[longest])) {
      longest = i;
    }
  }
  return longest;
}

// Of a column whose words are wrapped.
std::size_t TextTable::least_width(std::size_t column) const {
  std::size_t width = std::max(least_of_words, longest_word(columns_[column].title));
  for (const auto& row : rows_) {
    width = std::max(width, longest_word(row[column]));
  }
  return width;
}

std::vector<std::string> TextTable::titles() const {
  std::vector<std::string> texts;
  std::ranges::transform(columns_, std::back_inserter(texts), &TextColumn::title);
  return texts;
}

TextTable::Widths TextTable::natural_widths() const {
  Widths widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) {
      width = std::max(width, width_of(row[i]));
    }
    widths.push_back(width);
  }
  return widths;
}

// Cells of several lines stand beside each other from the top.
void TextTable::print_line(const std::vector<std::string>& cells,
                           const Widths& widths,
                           std::ostream& out) const {
  std::vector<std::vector<std::string>> lines;
  std::size_t height = 1;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const bool is_wider = width_of(cells[i]) > widths[i];
    lines.push_back(lines_of(is_wider ? wrapped(cells[i], 0, widths[i]) : cells[i]));
    height = std::max(height, lines.back().size());
  }
  for (std::size_t line = 0; line < height; ++line) {
    std::string text(indent_, ' ');
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = line < lines[i].size() ? lines[i][line] : std::string();
      const std::string padding(widths[i] - std::min(widths[i], columns_in(cell)), ' ');
      const bool is_left = columns_[i].align == Align::left;
      text += (i == 0 ? "" : std::string(gap_, ' ')) + (is_left ? cell + padding : padding + cell);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  }
}

void TextTable::print_whole(const Widths& widths, std::ostream& out) const {
  const auto heads = titles();
  if (std::ranges::any_of(heads, [](const std::string& title) { return !title.empty(); })) {
    print_line(heads, widths, out);
  }
  for (const auto& row : rows_) {
    print_line(row, widths, out);
  }
}

void TextTable::print_stacked(const Widths& widths, std::ostream& out) const {
  TextTable rest({columns_.begin() + 1, columns_.end()}, indent_ + stacked_indent);
  const Widths narrow(widths.begin() + 1, widths.end());
  const auto print_row = [&](const std::vector<std::string>& cells) {
    if (!cells.front().empty()) {
      out << std::string(indent_, ' ') << cells.front() << '\n';
    }
    rest.print_line({cells.begin() + 1, cells.end()}, narrow, out);
  };
  print_row(titles());
  for (const auto& row : rows_) {
    print_row(row);
  }
}

void TextTable::print_in_turn(const Widths& widths, std::size_t limit, std::ostream& out) const {
  for (std::size_t first = 1; first < columns_.size();) {
    Widths shown{std::min(widths.front(), std::max(least_of_words, limit / parts_of_line))};
    TextTable part({columns_.front()}, indent_);
    for (const auto& row : rows_) {
      part.rows_.push_back({row.front()});
    }
    const std::size_t begin = first;
    while (first < columns_.size() &&
           (first == begin || total(shown) + gap_ + widths[first] <= limit)) {
      shown.push_back(widths[first]);
      part.columns_.push_back(columns_[first]);
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        part.rows_[i].push_back(rows_[i][first]);
      }
      ++first;
    }
    if (begin > 1) {
      out << '\n';
    }
    part.print_whole(shown, out);
  }
}

void TextTable::print_narrow(Widths widths, std::size_t limit, std::ostream& out) const {
  const std::size_t over = total(widths) - limit;
  const std::size_t words = longest_left_column(widths);
  const std::size_t without_first = total(widths) - widths.front() - gap_;
  if (words < columns_.size() && widths[words] >= over + least_width(words)) {
    widths[words] -= over;
    print_whole(widths, out);
  } else if (words == 0 && columns_.size() > 1 && without_first + stacked_indent <= limit) {
    print_stacked(widths, out);
  } else {
    print_in_turn(widths, limit, out);
  }
}

void TextTable::print(std::ostream& out) const {
  const Widths widths = natural_widths();
  const auto limit = line_limit(out);
  if (!limit || total(widths) <= *limit) {
    print_whole(widths, out);
    return;
  }
  TextTable close(*this);
  close.gap_ = 1;
  if (close.total(widths) <= *limit) {
    close.print_whole(widths, out);
  } else {
    print_narrow(widths, *limit, out);
  }
}

}  // namespace forerun
