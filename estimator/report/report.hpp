// The verb `report`: results of other verbs as one HTML page that needs nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "estimator/report/result_file.hpp"

namespace forerun {

/// The page without its data: document, style, script and charts; empty where the build has none.
[[nodiscard]] std::string_view page_template();
/// Why `page_template()` is empty.
[[nodiscard]] std::string_view page_missing_because();

/// The whole page. What results call themselves stands in it as JSON, in which no "<" is left, and
/// the script shows it as text. Throws std::runtime_error where the build has no page.
[[nodiscard]] std::string report_page(std::vector<ResultFile> results);

}  // namespace forerun
