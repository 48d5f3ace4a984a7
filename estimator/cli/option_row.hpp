// How each kind of row of the option table checks and stores its value.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "estimator/cli/option_table.hpp"
#include "estimator/cli/option_values.hpp"

namespace forerun {

/// What a row says about itself, apart from its value.
struct AboutRow {
  std::string name;
  std::vector<Verb> verbs;
  std::string help;
  std::string default_text;
};

[[nodiscard]] inline OptionRow row_about(AboutRow about) {
  OptionRow row;
  row.name = std::move(about.name);
  row.verbs = std::move(about.verbs);
  row.help = std::move(about.help);
  row.default_text = std::move(about.default_text);
  return row;
}

/// A row whose text `parse` turns into what `member` holds.
template <class Parse, class Member>
OptionRow value_row(AboutRow about, std::string placeholder, Parse parse, Member Options::*member) {
  OptionRow row = row_about(std::move(about));
  row.placeholder = std::move(placeholder);
  row.assign = [parse = std::move(parse), member](Options& options, const OptionValue& value) {
    options.*member = parse(value);
  };
  return row;
}

/// A row that takes a name of a catalog or a file.
[[nodiscard]] inline OptionRow named(OptionRow row, std::vector<std::string> (*names)()) {
  row.names = names;
  return row;
}

template <class Store>
OptionRow flag_row(AboutRow about, Store store) {
  OptionRow row = row_about(std::move(about));
  row.kind = OptionKind::flag;
  row.assign = [store](Options& options, const OptionValue& value) {
    if (flag_state(value)) {
      store(options);
    }
  };
  return row;
}

/// The rows of single verbs that would make the table's own file too long.
[[nodiscard]] std::vector<OptionRow> measure_rows();
[[nodiscard]] std::vector<OptionRow> show_rows();
[[nodiscard]] std::vector<OptionRow> capacity_rows();
[[nodiscard]] std::vector<OptionRow> forecast_rows();
[[nodiscard]] std::vector<OptionRow> validate_rows();
[[nodiscard]] std::vector<OptionRow> report_rows();
[[nodiscard]] std::vector<OptionRow> import_rows();
[[nodiscard]] std::vector<OptionRow> plan_rows();
/// What a step waits for: `estimate`.
[[nodiscard]] std::vector<OptionRow> straggler_rows();
/// From a step to a run: `estimate` and `plan`.
[[nodiscard]] std::vector<OptionRow> run_rows();

}  // namespace forerun
