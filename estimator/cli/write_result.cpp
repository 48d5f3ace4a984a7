#include "estimator/cli/write_result.hpp"

#include <ostream>
#include <sstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "estimator/cli/csv.hpp"
#include "estimator/profile/journal.hpp"
#include "units/text_bar.hpp"
#include "units/text_width.hpp"

namespace forerun {

std::string result_text(const nlohmann::ordered_json& document,
                        const TablePrinter& table,
                        Format format) {
  switch (format) {
    case Format::json:
      return document.dump(2) + "\n";
    case Format::csv:
      return csv_text(document);
    case Format::table: {
      std::ostringstream text;
      table(document, text);
      return text.str();
    }
  }
  return {};
}

void write_result(const nlohmann::ordered_json& document,
                  const TablePrinter& table,
                  const Options& options,
                  std::ostream& out) {
  if (options.out) {
    write_atomically(*options.out, result_text(document, table, options.format));
    return;
  }
  if (options.format == Format::table) {
    std::ostringstream text;
    {
      FittedStream fitted(text, columns_of_standard_output());
      set_bar_style(fitted, bar_style_of_standard_output());
      table(document, fitted);
    }
    out << text.str() << std::flush;
  } else {
    out << result_text(document, table, options.format) << std::flush;
  }
  if (!out) {
    throw std::runtime_error("standard output: cannot write the result");
  }
}

}  // namespace forerun
