// Reading the fields of a JSON text, and finding the line that each stands on.
#include "jobs/config_fields.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

// Keeps every count that is made of these sizes away from overflow, and typing errors out.
constexpr std::int64_t largest_size = 1'000'000'000;

// The index after the closing quote of the string whose opening quote is at `open`.
std::size_t end_of_string(std::string_view text, std::size_t open) {
  std::size_t i = open + 1;
  while (i < text.size() && text[i] != '"') {
    i += text[i] == '\\' ? std::size_t{2} : std::size_t{1};
  }
  return std::min(i + 1, text.size());
}

// The names of the objects and lists that a position lies in; the outermost has none.
class Nesting {
 public:
  void enter(std::string_view key) {
    if (++depth_ > 1) {
      names_.emplace_back(key);
    }
  }

  void leave() {
    if (--depth_ > 0) {
      names_.pop_back();
    }
  }

  [[nodiscard]] std::string path_of(std::string_view key) const {
    std::string path;
    for (const std::string& name : names_) {
      path += name + ".";
    }
    return path + std::string(key);
  }

 private:
  std::vector<std::string> names_;
  int depth_ = 0;
};

// The line of each key by its path; `text` is known to be valid JSON, in which a string holds no
// line break and a colon outside strings follows a key.
std::map<std::string, std::size_t, std::less<>> lines_of_keys(std::string_view text) {
  std::map<std::string, std::size_t, std::less<>> lines;
  std::string_view last_string;
  Nesting nesting;
  std::size_t line = 1;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      const std::size_t end = end_of_string(text, i);
      last_string = text.substr(i + 1, end - i - 2);
      i = end;
      continue;
    }
    line += c == '\n' ? 1 : 0;
    if (c == '{' || c == '[') {
      nesting.enter(last_string);
    } else if (c == '}' || c == ']') {
      nesting.leave();
    } else if (c == ':') {
      lines.insert_or_assign(nesting.path_of(last_string), line);
    }
    ++i;
  }
  return lines;
}

// "12:3" for the byte that the parser read last, counted from 1.
std::string line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte == 0 ? 0 : byte - 1);
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t newline = before.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  return fmt::format("{}:{}", line, before.size() - start + 1);
}

// The library's message without its own error number and position.
std::string reason_of(const nlohmann::json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t after_id = text.find("] ");
  const std::size_t position = text.find(", column ");
  const std::size_t colon =
      position == std::string_view::npos ? position : text.find(": ", position);
  if (colon != std::string_view::npos) {
    return std::string(text.substr(colon + 2));
  }
  return std::string(after_id == std::string_view::npos ? text : text.substr(after_id + 2));
}

nlohmann::json parsed_object(std::string_view text, const std::string& where) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    throw InputError(where, "the file is empty; expected a Hugging Face config.json");
  }
  check_json_shape(text, where);
  nlohmann::json parsed;
  try {
    parsed = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw InputError(fmt::format("{}:{}", where, line_and_column(text, error.byte)),
                     "not valid JSON: " + reason_of(error));
  } catch (const nlohmann::json::exception& error) {
    throw InputError(where, "not valid JSON: " + reason_of(error));
  }
  if (!parsed.is_object()) {
    throw InputError(where,
                     fmt::format("the file holds a JSON {}; expected an object with the "
                                 "fields of a Hugging Face config.json",
                                 parsed.type_name()));
  }
  return parsed;
}

std::string cut_short(std::string text) {
  constexpr std::size_t longest = 40;
  if (text.size() > longest) {
    text.resize(longest);
    text += "...";
  }
  return text;
}

// The library compares signed with unsigned numbers by casting: ask each for its own type.
bool is_representable(const nlohmann::json& value) {
  return value.is_number_unsigned()
             ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(largest_size)
             : value.is_number_integer() && value.get<std::int64_t>() >= -largest_size;
}

std::string whole_number_of_at_least(std::int64_t least) {
  return fmt::format("a whole number from {} to {}", least, largest_size);
}

}  // namespace

ConfigFields::ConfigFields(std::string_view text, std::string where) : where_(std::move(where)) {
  const nlohmann::json object = parsed_object(text, where_);
  add_object(object, "", lines_of_keys(text));
}

ConfigFields::Field ConfigFields::field_of(const nlohmann::json& value) {
  Field field{Other{}, cut_short(value.dump()), 1};
  const auto all = [&](auto is) { return std::ranges::all_of(value, is); };
  if (value.is_null()) {
    field.value = Null{};
  } else if (value.is_object()) {
    field.value = Object{};
  } else if (value.is_array() && value.empty()) {
    field.value = EmptyList{};
  } else if (value.is_array() && all([](const auto& item) { return item.is_string(); })) {
    field.value = value.get<std::vector<std::string>>();
  } else if (value.is_array() && all(is_representable)) {
    field.value = value.get<std::vector<std::int64_t>>();
  } else if (value.is_boolean()) {
    field.value = value.get<bool>();
  } else if (value.is_string()) {
    field.value = value.get<std::string>();
  } else if (is_representable(value)) {
    field.value = value.get<std::int64_t>();
  } else if (value.is_number_float()) {
    field.value = value.get<double>();
  }
  return field;
}

void ConfigFields::add_object(const nlohmann::json& object,
                              const std::string& prefix,
                              const Lines& lines) {
  for (const auto& [key, value] : object.items()) {
    Field field = field_of(value);
    if (const auto line = lines.find(prefix + key); line != lines.end()) {
      field.line = line->second;
    }
    fields_.emplace(prefix + key, std::move(field));
    if (value.is_object() && prefix.empty()) {
      add_object(value, key + ".", lines);
    }
  }
}

ConfigFields ConfigFields::inside(const std::string& key) const {
  if (is_given(key) && !std::holds_alternative<Object>(find(key)->value)) {
    refuse(key, fmt::format("{}{} is {}; expected an object", prefix_, key, find(key)->written));
  }
  ConfigFields inner = *this;
  inner.prefix_ = prefix_ + key + ".";
  return inner;
}

const ConfigFields::Field* ConfigFields::find(const std::string& key) const {
  const auto found = fields_.find(prefix_ + key);
  return found == fields_.end() ? nullptr : &found->second;
}

bool ConfigFields::is_given(const std::string& key) const {
  const Field* const field = find(key);
  return field != nullptr && !std::holds_alternative<Null>(field->value);
}

bool ConfigFields::is_filled(const std::string& key) const {
  return is_given(key) && !std::holds_alternative<EmptyList>(find(key)->value);
}

void ConfigFields::refuse(const std::string& key, std::string_view problem) const {
  const Field* const field = find(key);
  throw InputError(field == nullptr ? where_ : fmt::format("{}:{}", where_, field->line), problem);
}

template <typename Type>
const Type& ConfigFields::typed(const std::string& key, std::string_view expected) const {
  const Field* const field = find(key);
  if (field == nullptr) {
    refuse(key, fmt::format("the field '{}{}' is missing; expected {}", prefix_, key, expected));
  }
  const Type* const value = std::get_if<Type>(&field->value);
  if (value == nullptr) {
    refuse(key, fmt::format("{}{} is {}; expected {}", prefix_, key, field->written, expected));
  }
  return *value;
}

std::int64_t ConfigFields::whole(const std::string& key, std::int64_t least) const {
  const std::string expected = whole_number_of_at_least(least);
  const auto value = typed<std::int64_t>(key, expected);
  if (value < least) {
    refuse(key, fmt::format("{}{} is {}; expected {}", prefix_, key, value, expected));
  }
  return value;
}

std::int64_t ConfigFields::size(const std::string& key) const {
  return whole(key, 1);
}

std::int64_t ConfigFields::size_or(const std::string& key, std::int64_t fallback) const {
  return is_given(key) ? whole(key, 1) : fallback;
}

std::optional<std::int64_t> ConfigFields::nullable_size(const std::string& key,
                                                        std::optional<std::int64_t> absent) const {
  if (find(key) == nullptr) {
    return absent;
  }
  return is_given(key) ? std::optional(whole(key, 1)) : std::nullopt;
}

std::int64_t ConfigFields::count_or(const std::string& key, std::int64_t fallback) const {
  return is_given(key) ? whole(key, 0) : fallback;
}

bool ConfigFields::flag_or(const std::string& key, bool fallback) const {
  return is_given(key) ? typed<bool>(key, "true or false") : fallback;
}

std::string ConfigFields::word(const std::string& key) const {
  return typed<std::string>(key, "a text in quotes");
}

bool ConfigFields::is_word(const std::string& key, std::string_view word) const {
  const auto* const text = is_given(key) ? std::get_if<std::string>(&find(key)->value) : nullptr;
  return text != nullptr && *text == word;
}

std::string ConfigFields::word_or(const std::string& key, const std::string& fallback) const {
  return is_given(key) ? word(key) : fallback;
}

std::optional<double> ConfigFields::nullable_number(const std::string& key,
                                                    std::optional<double> absent) const {
  if (find(key) == nullptr) {
    return absent;
  }
  if (!is_given(key)) {
    return std::nullopt;
  }
  constexpr std::string_view expected = "a number above 0";
  const auto* const whole = std::get_if<std::int64_t>(&find(key)->value);
  const double value =
      whole != nullptr ? static_cast<double>(*whole) : typed<double>(key, expected);
  if (!(value > 0.0)) {
    refuse(key, fmt::format("{}{} is {}; expected {}", prefix_, key, value, expected));
  }
  return value;
}

template <typename Item>
std::vector<Item> ConfigFields::list(const std::string& key, std::string_view expected) const {
  return is_filled(key) ? typed<std::vector<Item>>(key, expected) : std::vector<Item>();
}

std::vector<std::string> ConfigFields::words(const std::string& key) const {
  return list<std::string>(key, "a list of texts in quotes");
}

std::vector<std::int64_t> ConfigFields::whole_numbers(const std::string& key) const {
  return list<std::int64_t>(key, "a list of whole numbers");
}

}  // namespace forerun
