// `report`: files of other verbs into one page.
#include <ostream>
#include <utility>
#include <vector>

#include <fmt/ostream.h>

#include "estimator/cli/run_verb.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/report/report.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {

ExitCode run_report(const Options& options, const OutputStreams& streams) {
  std::vector<ResultFile> results;
  results.reserve(options.results.size());
  const std::vector<std::string> names = distinct_names(options.results);
  for (std::size_t i = 0; i < names.size(); ++i) {
    results.push_back(read_result(options.results[i]));
    results.back().name = names[i];
  }
  const std::string path = options.out.value_or("report.html");
  const std::size_t count = results.size();
  const std::string page = report_page(std::move(results));
  write_atomically(path, page);
  fmt::print(streams.log,
             "{}: {} result{}, {}\n",
             path,
             count,
             count == 1 ? "" : "s",
             text_of(static_cast<double>(page.size()) * unit::byte));
  return ExitCode::answered;
}

}  // namespace forerun
