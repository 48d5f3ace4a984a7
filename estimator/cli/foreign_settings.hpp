// Settings of another framework's job file, each with its place; remembers which were read.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

class ForeignSettings {
 public:
  /// The last of several wins. `where` is what an error message starts with.
  void set(const std::string& name, std::vector<std::string> values, std::string where);

  /// Says and forgets that it was asked: does not count as reading.
  [[nodiscard]] bool has(const std::string& name) const { return settings_.contains(name); }

  [[nodiscard]] std::string where(const std::string& name) const;

  /// All values; none where the setting is absent or null.
  [[nodiscard]] std::vector<std::string> words(const std::string& name);
  /// The first value.
  [[nodiscard]] std::optional<std::string> word(const std::string& name);
  /// The first value as a whole number from `least` to 10^9. Throws InputError for another text.
  [[nodiscard]] std::optional<std::int64_t> whole(const std::string& name, std::int64_t least = 1);
  [[nodiscard]] std::optional<double> number(const std::string& name);
  /// A flag that is present, or a value that does not say false.
  [[nodiscard]] bool is_on(const std::string& name);

  /// As `whole`; throws InputError, with `what` it is, where it is absent.
  [[nodiscard]] std::int64_t needed(const std::string& name, std::string_view what);

  /// The file, for messages about what it lacks.
  void set_file(std::string file) { file_ = std::move(file); }

  [[nodiscard]] const std::string& file() const { return file_; }

  /// Names that nobody asked for, by name.
  [[nodiscard]] std::vector<std::string> unread() const;

 private:
  struct Setting {
    std::vector<std::string> values;
    std::string where;
    bool is_read = false;
  };

  [[nodiscard]] const Setting* read(const std::string& name);

  std::map<std::string, Setting> settings_;
  std::string file_;
};

/// Of counts from 0 on that a job states. Throws InputError at `where` beyond 10^9.
[[nodiscard]] std::int64_t product_of(std::initializer_list<std::int64_t> counts,
                                      const std::string& where);

}  // namespace forerun
