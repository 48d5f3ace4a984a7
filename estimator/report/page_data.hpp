// What the page is given of its results: whole, but for long lists.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "estimator/report/result_file.hpp"

namespace forerun {

/// "results": name, kind and document of each. Long lists become {"columns", "rows", "total"}, with
/// the keys that the page shows; `total` counts what the file holds, and `rows` may be fewer: the
/// first, which of layouts are the best. Beside a cut list of layouts, "cloud" holds step time and
/// memory of a sample of all. Throws InputError
/// for a document that lacks what its verb always writes.
[[nodiscard]] nlohmann::ordered_json page_data(std::vector<ResultFile> results);

}  // namespace forerun
