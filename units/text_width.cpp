#include "units/text_width.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

namespace forerun {
namespace {

constexpr std::size_t least_columns = 40;

// Where lines after the first begin: under the second column of a line that has a first one, else a
// little to the right.
constexpr std::size_t usual_hanging = 4;
constexpr std::size_t most_hanging = 32;

std::optional<std::size_t> columns_of(int descriptor) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
  if (const char* const text = std::getenv("COLUMNS"); text != nullptr) {
    const std::string_view digits(text);
    std::size_t columns = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), columns);
    if (error == std::errc() && end == digits.data() + digits.size() && columns > 0) {
      return std::max(columns, least_columns);
    }
  }
  winsize size{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the only way to ask
  if (::isatty(descriptor) == 0 || ::ioctl(descriptor, TIOCGWINSZ, &size) != 0 ||
      size.ws_col == 0) {
    return std::nullopt;
  }
  return std::max<std::size_t>(size.ws_col, least_columns);
}

bool begins_a_sign(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

// Bytes of the first `columns` signs.
std::size_t bytes_of(std::string_view text, std::size_t columns) {
  std::size_t signs = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_a_sign(text[i]) && ++signs > columns) {
      return i;
    }
  }
  return text.size();
}

std::size_t hanging_of(std::string_view line, std::size_t width) {
  const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t gap = line.find("  ", indent);
  const std::size_t column = gap == std::string_view::npos ? gap : line.find_first_not_of(' ', gap);
  if (column != std::string_view::npos && column <= std::min(most_hanging, width / 2)) {
    return columns_in(line.substr(0, column));
  }
  return std::min(indent + usual_hanging, width / 2);
}

// Where a line is broken to leave `room` columns before: at its last space there, else at the first
// one after. Past the spaces that it begins with.
std::size_t break_of(std::string_view line, std::size_t room) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t last = line.rfind(' ', bytes_of(line, room));
  return last != std::string_view::npos && last > begin ? last : line.find(' ', begin);
}

int limit_slot() {
  static const int slot = std::ios_base::xalloc();
  return slot;
}

}  // namespace

std::optional<std::size_t> columns_of_standard_output() {
  return columns_of(STDOUT_FILENO);
}

std::optional<std::size_t> columns_of_standard_error() {
  return columns_of(STDERR_FILENO);
}

std::size_t columns_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_a_sign));
}

std::string cut_to(std::string_view text, std::size_t width) {
  if (columns_in(text) <= width) {
    return std::string(text);
  }
  return std::string(text.substr(0, bytes_of(text, width - 1))) + "~";
}

std::string broken_to(std::string_view line, std::size_t width) {
  const std::size_t hanging = hanging_of(line, width);
  std::string text;
  std::size_t room = width;
  while (columns_in(line) > room) {
    const std::size_t at = break_of(line, room);
    const std::size_t next = at == std::string_view::npos ? at : line.find_first_not_of(' ', at);
    if (next == std::string_view::npos) {
      break;
    }
    const std::string_view head = line.substr(0, at);
    text += head.substr(0, head.find_last_not_of(' ') + 1);
    text += "\n" + std::string(hanging, ' ');
    line.remove_prefix(next);
    room = width - hanging;
  }
  return text.append(line.substr(0, line.find_last_not_of(' ') + 1));
}

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string lines;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(std::min(space + 1, text.size()));
    if (column > indent && column + 1 + columns_in(word) > width) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += columns_in(word);
  }
  return lines;
}

std::optional<std::size_t> line_limit(std::ostream& out) {
  const long columns = out.iword(limit_slot());
  return columns > 0 ? std::optional(static_cast<std::size_t>(columns)) : std::nullopt;
}

void set_line_limit(std::ostream& out, std::optional<std::size_t> columns) {
  out.iword(limit_slot()) = static_cast<long>(columns.value_or(0));
}

FittedStream::FittedStream(std::ostream& sink, std::optional<std::size_t> limit)
    : std::ostream(nullptr), lines_(sink, *this) {
  rdbuf(&lines_);
  set_line_limit(*this, limit);
}

FittedStream::~FittedStream() {
  lines_.pass_on("");
}

void FittedStream::Lines::pass_on(std::string_view end) {
  const auto limit = line_limit(owner_);
  sink_ << (limit ? broken_to(line_, *limit) : line_) << end;
  line_.clear();
}

FittedStream::Lines::int_type FittedStream::Lines::overflow(int_type sign) {
  if (traits_type::eq_int_type(sign, traits_type::eof())) {
    return traits_type::not_eof(sign);
  }
  if (const char letter = traits_type::to_char_type(sign); letter == '\n') {
    pass_on("\n");
  } else {
    line_ += letter;
  }
  return sign;
}

}  // namespace forerun
