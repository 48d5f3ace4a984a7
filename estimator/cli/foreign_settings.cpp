#include "estimator/cli/foreign_settings.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

bool is_null(std::string_view text) {
  return text.empty() || text == "null" || text == "None" || text == "~" || text == "???";
}

// As a field of a config.json: products of two fit into an integer.
constexpr std::int64_t most = 1'000'000'000;

}  // namespace

std::int64_t product_of(std::initializer_list<std::int64_t> counts, const std::string& where) {
  double product = 1.0;
  for (const std::int64_t count : counts) {
    product *= static_cast<double>(count);
  }
  if (product > static_cast<double>(most)) {
    throw InputError(where,
                     fmt::format("{} multiply to more than any job has", fmt::join(counts, " x ")));
  }
  return static_cast<std::int64_t>(product);
}

void ForeignSettings::set(const std::string& name,
                          std::vector<std::string> values,
                          std::string where) {
  settings_[name] = {std::move(values), std::move(where), false};
}

std::string ForeignSettings::where(const std::string& name) const {
  const auto found = settings_.find(name);
  return found == settings_.end() ? file_ + ": " + name : found->second.where;
}

const ForeignSettings::Setting* ForeignSettings::read(const std::string& name) {
  const auto found = settings_.find(name);
  if (found == settings_.end()) {
    return nullptr;
  }
  found->second.is_read = true;
  return &found->second;
}

std::vector<std::string> ForeignSettings::words(const std::string& name) {
  const Setting* const setting = read(name);
  if (setting == nullptr || (!setting->values.empty() && is_null(setting->values.front()))) {
    return {};
  }
  return setting->values;
}

std::optional<std::string> ForeignSettings::word(const std::string& name) {
  const auto all = words(name);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

std::optional<std::int64_t> ForeignSettings::whole(const std::string& name, std::int64_t least) {
  const auto text = word(name);
  if (!text) {
    return std::nullopt;
  }
  // Counts have no sign but where -1 stands for "the rest" or "not set".
  const auto number = least < 0 && *text == "-1" ? -1 : parse_whole(*text, least);
  if (!number) {
    throw InputError(
        where(name),
        fmt::format("'{}' is not a whole number of at least {}{}",
                    *text,
                    least,
                    text->starts_with('$') ? " (the script does not set this variable)" : ""));
  }
  if (*number > most) {
    throw InputError(where(name), fmt::format("'{}' is more than any job has", *text));
  }
  return number;
}

std::optional<double> ForeignSettings::number(const std::string& name) {
  const auto text = word(name);
  if (!text) {
    return std::nullopt;
  }
  const auto number = *text == "-1" ? -1.0 : parse_count(*text);
  if (!number) {
    throw InputError(where(name), fmt::format("'{}' is not a number", *text));
  }
  return number;
}

bool ForeignSettings::is_on(const std::string& name) {
  const Setting* const setting = read(name);
  if (setting == nullptr) {
    return false;
  }
  // What else stands behind a flag is not its own: the program after torchrun's last, "$@".
  constexpr auto off =
      std::to_array<std::string_view>({"false", "False", "0", "off", "no", "null", "None", "~"});
  return setting->values.empty() || std::ranges::find(off, setting->values.front()) == off.end();
}

std::int64_t ForeignSettings::needed(const std::string& name, std::string_view what) {
  if (const auto number = whole(name)) {
    return *number;
  }
  throw InputError(file_, fmt::format("{} is missing (expected {})", name, what));
}

std::vector<std::string> ForeignSettings::unread() const {
  std::vector<std::string> names;
  for (const auto& [name, setting] : settings_) {
    if (!setting.is_read) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace forerun
