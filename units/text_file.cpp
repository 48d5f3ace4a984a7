#include "units/text_file.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fmt/format.h>

#include "units/input_error.hpp"

namespace forerun {
namespace {

constexpr std::size_t most_levels = 64;
constexpr std::size_t most_members = 10'000;
constexpr std::size_t longest_name = 256;

// The index after the closing quote of the string whose opening quote is at `open`.
std::size_t end_of_string(std::string_view text, std::size_t open) {
  std::size_t i = open + 1;
  while (i < text.size() && text[i] != '"') {
    i += text[i] == '\\' ? std::size_t{2} : std::size_t{1};
  }
  return std::min(i + 1, text.size());
}

[[noreturn]] void refuse(std::string_view text,
                         std::size_t at,
                         const std::string& where,
                         const std::string& problem) {
  const auto line = 1 + std::ranges::count(text.substr(0, at), '\n');
  throw InputError(fmt::format("{}:{}", where, line), problem);
}

// Counts the members of every object and list that a position lies in.
class Shape {
 public:
  Shape(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  void enter(std::size_t at) {
    if (members_.size() == most_levels) {
      refuse(text_,
             at,
             where_,
             fmt::format("values lie more than {} deep in one another", most_levels));
    }
    members_.push_back(0);
  }

  void leave() {
    if (!members_.empty()) {
      members_.pop_back();
    }
  }

  void name(std::size_t at, std::size_t length) {
    if (length > longest_name) {
      refuse(text_,
             at,
             where_,
             fmt::format("the name of a field has more than {} bytes", longest_name));
    }
    if (!members_.empty() && ++members_.back() > most_members) {
      refuse(text_, at, where_, fmt::format("an object has more than {} fields", most_members));
    }
  }

 private:
  std::string_view text_;
  const std::string& where_;
  std::vector<std::size_t> members_;
};

}  // namespace

std::string text_of_file(const std::string& path,
                         std::size_t most_bytes,
                         std::string_view expected) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored)) {
    throw InputError(path, fmt::format("cannot be read (expected {})", expected));
  }
  // A device or a pipe has no size to ask for.
  std::string text;
  std::array<char, 65536> piece{};
  while (file.read(piece.data(), piece.size()) || file.gcount() > 0) {
    text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > most_bytes) {
      throw InputError(path,
                       fmt::format("the file is larger than {} MiB, the most that is read; "
                                   "expected {}",
                                   most_bytes / largest::mebibyte,
                                   expected));
    }
  }
  if (file.bad()) {
    throw InputError(path, fmt::format("cannot be read to its end (expected {})", expected));
  }
  return text;
}

bool lies_inside(const std::filesystem::path& path, const std::filesystem::path& folder) {
  std::error_code path_error;
  std::error_code folder_error;
  const auto inner = std::filesystem::weakly_canonical(std::filesystem::absolute(path), path_error);
  const auto outer = std::filesystem::canonical(folder.empty() ? "." : folder, folder_error);
  return !path_error && !folder_error && std::ranges::mismatch(outer, inner).in1 == outer.end();
}

void check_json_shape(std::string_view text, const std::string& where) {
  Shape shape(text, where);
  std::size_t string_length = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      const std::size_t end = end_of_string(text, i);
      string_length = end - i;
      i = end;
      continue;
    }
    if (c == '{' || c == '[') {
      shape.enter(i);
    } else if (c == '}' || c == ']') {
      shape.leave();
    } else if (c == ':') {
      shape.name(i, string_length);
    }
    ++i;
  }
}

void check_toml_keys(std::string_view text, const std::string& where) {
  constexpr std::string_view ends_of_keys = "\n,=[]{}#";
  std::size_t dots = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (ends_of_keys.find(text[i]) != std::string_view::npos) {
      dots = 0;
    } else if (text[i] == '.' && i > 0 && text[i - 1] != '.' && ++dots == most_levels) {
      // Dots side by side part no key: they are prose.
      refuse(text, i, where, fmt::format("a key has more than {} parts", most_levels));
    }
  }
}

}  // namespace forerun
