#include "estimator/report/result_file.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr int known_schema = 1;

/// The keys that the document of one verb has and no other's.
struct Mark {
  ResultKind kind;
  std::vector<const char*> keys;
};

std::optional<ResultKind> kind_of(const Json& document) {
  static const std::vector<Mark> marks{
      Mark{ResultKind::trace, {"traceEvents"}},
      Mark{ResultKind::profile, {"kernels", "collectives", "topology"}},
      Mark{ResultKind::plan, {"enumerated", "layouts", "pareto"}},
      Mark{ResultKind::capacity, {"tokens_per_s_per_device", "copies", "pareto"}},
      Mark{ResultKind::validation, {"rows", "groups", "priced"}},
      Mark{ResultKind::forecast, {"training_flop", "work_years"}},
      Mark{ResultKind::forecast, {"scenario", "estimate"}},
      Mark{ResultKind::estimate, {"step_time_s", "breakdown_s", "memory_bytes"}},
      Mark{ResultKind::rehearsal, {"runs"}},
  };
  for (const Mark& mark : marks) {
    if (std::ranges::all_of(mark.keys, [&](const char* key) { return document.contains(key); })) {
      return mark.kind;
    }
  }
  return std::nullopt;
}

void check_schema(const Json& document, ResultKind kind, const std::string& path) {
  const Json version = document.value("schema_version", Json());
  if (kind != ResultKind::trace && version != known_schema) {
    throw InputError(path,
                     "has schema_version " + version.dump() + " (this build reads " +
                         std::to_string(known_schema) + ")");
  }
}

}  // namespace

std::string_view name_of(ResultKind kind) {
  switch (kind) {
    case ResultKind::profile:
      return "profile";
    case ResultKind::estimate:
      return "estimate";
    case ResultKind::trace:
      return "trace";
    case ResultKind::plan:
      return "plan";
    case ResultKind::rehearsal:
      return "rehearsal";
    case ResultKind::validation:
      return "validation";
    case ResultKind::capacity:
      return "capacity";
    case ResultKind::forecast:
      return "forecast";
  }
  return {};
}

ResultFile read_result(const std::string& path) {
  return read_result_text(text_of_file(path, largest::result, "the JSON of another verb"), path);
}

ResultFile read_result_text(std::string_view text, const std::string& path) {
  check_json_shape(text, path);
  Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) {
    throw InputError(path,
                     "is not valid JSON (expected what a verb writes with --format json, a "
                     "profile of 'measure', or a timeline of 'estimate --trace')");
  }
  const auto kind = document.is_object() ? kind_of(document) : std::nullopt;
  if (!kind) {
    throw InputError(path,
                     "is JSON but no result that report shows (expected that of measure, "
                     "estimate, plan, rehearse, capacity, forecast or validate)");
  }
  check_schema(document, *kind, path);
  return {std::filesystem::path(path).filename().string(), *kind, std::move(document)};
}

std::vector<std::string> distinct_names(std::span<const std::string> paths) {
  std::vector<std::string> names(paths.begin(), paths.end());
  std::vector<std::filesystem::path> rest;
  for (std::string& name : names) {
    const std::filesystem::path path = std::filesystem::path(name).lexically_normal();
    name = path.filename().string();
    rest.push_back(path.parent_path());
  }
  for (bool has_grown = true; has_grown;) {
    has_grown = false;
    const std::vector<std::string> before = names;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string folder = rest[i].filename().string();
      if (std::ranges::count(before, before[i]) > 1 && !folder.empty()) {
        names[i] = folder + "/" + before[i];
        rest[i] = rest[i].parent_path();
        has_grown = true;
      }
    }
  }
  const std::vector<std::string> before = names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(before, before[i]) > 1) {
      const auto place =
          std::count(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(i), before[i]);
      names[i] = fmt::format("{} ({})", before[i], place + 1);
    }
  }
  return names;
}

}  // namespace forerun
