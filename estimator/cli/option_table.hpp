// The one table of options, from which parser, job file reader, help and completion are made.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/cli/options.hpp"

namespace forerun {

enum class OptionKind {
  flag,        ///< takes no value
  single,      ///< takes one value, once
  repeatable,  ///< takes one value each time it is given
};

/// One value on its way in. `where` is what an error message starts with: "--batch" or
/// "job.toml:3: batch". A flag's text is "true" or "false".
struct OptionValue {
  std::string where;
  std::string text;
};

struct OptionRow {
  std::string name;         ///< without dashes; also the key in a job file
  std::string placeholder;  ///< "N", "a|b|c"; empty for a flag
  OptionKind kind = OptionKind::single;
  std::vector<Verb> verbs;
  std::string help;                ///< what it is for, one line
  std::string default_text;        ///< what holds without it; empty: nothing
  bool takes_several = false;      ///< words that follow its value are values too: --merge A B
  bool takes_lone_words = false;   ///< words that belong to no option are its values: report A B
  std::vector<std::string> words;  ///< the only values, when they are few
  /// Names of the catalog that it takes beside files; null when it takes none.
  std::vector<std::string> (*names)() = nullptr;
  /// Checks the text and stores it; throws InputError.
  std::function<void(Options&, const OptionValue&)> assign;
};

/// In the order in which help lists them. --job, --help and --version are not options of this kind:
/// the parser knows them.
[[nodiscard]] std::vector<OptionRow> option_table();

[[nodiscard]] std::span<const Verb> all_verbs();
/// One line: the question that the verb answers.
[[nodiscard]] std::string_view purpose_of(Verb verb);
[[nodiscard]] bool takes(const OptionRow& row, Verb verb);

}  // namespace forerun
