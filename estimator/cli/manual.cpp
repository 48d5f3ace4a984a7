#include "estimator/cli/manual.hpp"

#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "estimator/cli/help.hpp"

namespace forerun {
namespace {

/// Text that troff prints as it stands: no escapes, no dash that breaks, no leading dot or quote.
std::string troff(std::string_view text) {
  std::string safe;
  for (const char sign : text) {
    if (sign == '\\') {
      safe += "\\e";
    } else if (sign == '-') {
      safe += "\\-";
    } else {
      safe += sign;
    }
  }
  const bool is_request = safe.starts_with('.') || safe.starts_with('\'');
  return is_request ? "\\&" + safe : safe;
}

std::string section(std::string_view title) {
  return fmt::format(".SH {}\n", title);
}

std::string item(std::string_view term, std::string_view text) {
  return fmt::format(".TP\n.B {}\n{}\n", troff(term), troff(text));
}

std::string head(const std::string& name, std::string_view purpose) {
  return fmt::format(".TH {} 1\n{}{} \\- {}\n", troff(name), section("NAME"), name, troff(purpose));
}

std::string exit_statuses() {
  return section("EXIT STATUS") + item("0", "answered") + item("1", "failed") +
         item("2", "wrong input") +
         item("3", "nothing that was asked for is feasible; the answer is written all the same");
}

std::string overview_page() {
  std::string page = head("forerun", "predicts what a large-model training run costs") +
                     section("SYNOPSIS") + ".B forerun\n.I VERB\n[\\-\\-option value]...\n" +
                     section("VERBS");
  std::string others;
  for (const Verb verb : all_verbs()) {
    page += item(name_of(verb), purpose_of(verb));
    others += fmt::format("{}.BR forerun\\-{} (1)", others.empty() ? "" : ",\n", name_of(verb));
  }
  page += section("ENVIRONMENT") +
          item("FORERUN_DATA",
               "a folder whose models/NAME.json and clusters/NAME.toml stand before those in "
               "share/forerun beside the program's bin") +
          item("NO_COLOR", "no bars and no colours in tables");
  return page + exit_statuses() + section("SEE ALSO") + others + "\n";
}

std::string verb_page(Verb verb, std::span<const OptionRow> table) {
  const std::string name = fmt::format("forerun-{}", name_of(verb));
  std::string page = head(name, purpose_of(verb)) + section("SYNOPSIS") +
                     fmt::format(".B forerun {}\n[\\-\\-option value]...\n", name_of(verb)) +
                     section("OPTIONS");
  for (const OptionRow& row : table) {
    if (takes(row, verb)) {
      const std::string fallback =
          row.default_text.empty() ? "" : fmt::format(" (default: {})", row.default_text);
      page += item(fmt::format("--{} {}", row.name, row.placeholder), row.help + fallback);
    }
  }
  page += item("--job FILE", "options from a TOML file; a flag beats it");
  page += section("EXAMPLES");
  for (const std::string_view example : examples_of(verb)) {
    page += fmt::format(".nf\n{}\n.fi\n", troff(example));
  }
  return page + exit_statuses() + section("SEE ALSO") + ".BR forerun (1)\n";
}

/// Text inside '...[text]:...' of zsh's _arguments.
std::string zsh_text(std::string_view text) {
  std::string safe;
  for (const char sign : text) {
    if (sign == '\'') {
      safe += "'\\''";
    } else if (sign == '[' || sign == ']' || sign == ':' || sign == '\\') {
      safe += '\\';
      safe += sign;
    } else {
      safe += sign;
    }
  }
  return safe;
}

/// The function that completes what names of a catalog and files complete.
std::string zsh_names(const OptionRow& row) {
  return fmt::format(
      "_forerun_{}() {{\n"
      "  _alternative 'names:name:({})' 'files:file:_files'\n"
      "}}\n",
      row.name,
      fmt::join(row.names(), " "));
}

/// What completes an option's value.
std::string zsh_values(const OptionRow& row) {
  if (row.names != nullptr) {
    return ":_forerun_" + row.name;
  }
  if (!row.words.empty()) {
    return fmt::format(":({})", fmt::join(row.words, " "));
  }
  return row.placeholder.find("FILE") == std::string::npos ? ":" : ":_files";
}

std::string zsh_option(const OptionRow& row) {
  const std::string several = row.kind == OptionKind::repeatable ? "*" : "";
  if (row.kind == OptionKind::flag) {
    return fmt::format("      '--{}[{}]'", row.name, zsh_text(row.help));
  }
  return fmt::format("      '{}--{}[{}]:{}{}'",
                     several,
                     row.name,
                     zsh_text(row.help),
                     zsh_text(row.placeholder),
                     zsh_values(row));
}

}  // namespace

std::string manual_page(std::optional<Verb> verb, std::span<const OptionRow> table) {
  return verb ? verb_page(*verb, table) : overview_page();
}

std::string zsh_completion(std::span<const OptionRow> table) {
  std::string script = "#compdef forerun\n";
  for (const OptionRow& row : table) {
    if (row.names != nullptr) {
      script += zsh_names(row);
    }
  }
  script +=
      "local -a verbs\n"
      "verbs=(\n";
  for (const Verb verb : all_verbs()) {
    script += fmt::format("  '{}:{}'\n", name_of(verb), zsh_text(purpose_of(verb)));
  }
  script +=
      ")\n"
      "if ((CURRENT == 2)); then\n"
      "  _describe verb verbs\n"
      "  return\n"
      "fi\n"
      "case $words[2] in\n";
  for (const Verb verb : all_verbs()) {
    script += fmt::format("  {})\n    _arguments -S \\\n", name_of(verb));
    for (const OptionRow& row : table) {
      if (takes(row, verb)) {
        script += zsh_option(row) + " \\\n";
      }
    }
    script += "      '--job[options from a TOML file]:FILE:_files' '--help[the options]' ";
    script += "'*:file:_files'\n    ;;\n";
  }
  return script + "esac\n";
}

}  // namespace forerun
