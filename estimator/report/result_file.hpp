// A result that another verb wrote, and which verb that was.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace forerun {

enum class ResultKind {
  profile,
  estimate,
  trace,  ///< the step's timeline, of `estimate --trace`
  plan,
  rehearsal,
  validation,
  capacity,
  forecast,
};

struct ResultFile {
  std::string name;  ///< the file's, with no more folders than tell it apart
  ResultKind kind = ResultKind::estimate;
  nlohmann::ordered_json document;
};

[[nodiscard]] std::string_view name_of(ResultKind kind);

/// Throws InputError when the file cannot be read, is larger than `largest::result`, is not JSON,
/// is no result of a verb, or has a schema version that this build does not know.
[[nodiscard]] ResultFile read_result(const std::string& path);
[[nodiscard]] ResultFile read_result_text(std::string_view text, const std::string& path);

/// Of each path its file's name, after as many of its folders as tell the files apart; what is
/// given twice is numbered.
[[nodiscard]] std::vector<std::string> distinct_names(std::span<const std::string> paths);

}  // namespace forerun
