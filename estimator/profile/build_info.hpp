// Which build of forerun wrote a result.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// The first keys of every JSON document: schema_version, and forerun {version, revision, build}.
[[nodiscard]] nlohmann::ordered_json document_head();

/// "forerun 0.1.0 (revision, build)".
[[nodiscard]] const char* version_text();

}  // namespace forerun
