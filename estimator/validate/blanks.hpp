// What the tables of published runs leave blank, filled from documents.
#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/validate/training_table.hpp"

namespace forerun {

/// A cell that no table prints.
struct Assumption {
  std::string column;
  std::string value;
  std::string origin;  ///< where it is documented
};

/// Rules "source, model, when -> column = value" in order; the first that matches a blank column
/// fills it. `source` and `model` are patterns with '*'; `when` joins conditions with ';':
/// "gpu=*40GB*" (pattern) or "notes~regular expression", whose groups the value may use as $1. A
/// column with a
/// '!' behind it replaces what is there. Columns that no table has describe what else a prediction
/// needs: cluster, node_network, software, family, ...
class BlankTable {
 public:
  /// The table that is compiled in: blanks.csv.
  [[nodiscard]] static const BlankTable& committed();
  /// Throws InputError for a table that is no such table, or a rule that names a result column.
  [[nodiscard]] static BlankTable parse(std::string_view text, const std::string& where);

  /// Fills `configuration`. Throws InputError when it holds a result column: nothing that came out
  /// of a run may decide how it is predicted.
  [[nodiscard]] std::vector<Assumption> fill(Cells& configuration) const;

 private:
  struct Condition {
    std::string column;
    std::regex pattern;
  };

  struct Rule {
    std::vector<Condition> conditions;
    std::string column;
    std::string value;
    std::string origin;
    bool replaces = false;
  };

  /// Nothing where a condition fails.
  [[nodiscard]] static std::optional<std::string> value_for(const Rule& rule,
                                                            const Cells& configuration);

  std::vector<Rule> rules_;
};

}  // namespace forerun
