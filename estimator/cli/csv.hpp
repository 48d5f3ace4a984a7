// The CSV form of a result document.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace forerun {

/// RFC 4180 text, lines ending in "\n". First a table `key,value` of everything that stands alone,
/// keys joined with dots ("run.days", "error_band_s.0"); then, after an empty line each, one table
/// per array of objects: its first column bears the array's key and holds the index, the others
/// bear the keys of the objects. null is an empty field; numbers have all their digits.
[[nodiscard]] std::string csv_text(const nlohmann::ordered_json& document);

}  // namespace forerun
