#include "estimator/report/report.hpp"

#include <stdexcept>
#include <utility>

#include "estimator/report/page_data.hpp"

namespace forerun {
namespace {

constexpr std::string_view data_mark = "@FORERUN_RESULTS@";

/// JSON that cannot end the element it stands in: "</script>" and "<!--" begin with the same sign.
std::string json_for_html(const nlohmann::ordered_json& data) {
  const std::string json =
      data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(json.size());
  for (const char sign : json) {
    if (sign == '<') {
      safe += "\\u003c";
    } else {
      safe += sign;
    }
  }
  return safe;
}

}  // namespace

std::string report_page(std::vector<ResultFile> results) {
  if (page_template().empty()) {
    throw std::runtime_error("report: this build has no page: " +
                             std::string(page_missing_because()));
  }
  std::string page(page_template());
  const std::size_t place = page.find(data_mark);
  if (place == std::string::npos) {
    throw std::logic_error("report: the page has no place for its data");
  }
  page.replace(place, data_mark.size(), json_for_html(page_data(std::move(results))));
  return page;
}

}  // namespace forerun
