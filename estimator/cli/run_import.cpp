// The verb that takes logs of other tools into profiles, and profiles together.
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/import/imported_log.hpp"
#include "estimator/import/merge_profiles.hpp"
#include "estimator/import/profile_of_logs.hpp"
#include "estimator/profile/build_info.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/profile/profile_json.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

Json log_json(const ImportedLog& log) {
  Json skipped = Json::object();
  for (const auto& [reason, rows] : log.skipped) {
    skipped[reason] = rows;
  }
  return {{"file", log.path}, {"rows", log.records.size()}, {"skipped_rows", std::move(skipped)}};
}

Json profile_summary(const Profile& profile) {
  return {{"device", profile.device.name},
          {"date", profile.date},
          {"ranks", profile.ranks},
          {"ranks_per_node", profile.ranks_per_node},
          {"kernels", profile.kernels.size()},
          {"collectives", profile.collectives.size()}};
}

Profile imported(const Options& options, Json& document) {
  const LogContext context{options.ranks, options.ranks_per_node};
  const bool is_nccl = !options.nccl_tests_logs.empty();
  std::vector<ImportedLog> logs;
  document["logs"] = Json::array();
  for (const std::string& path : is_nccl ? options.nccl_tests_logs : options.osu_logs) {
    logs.push_back(is_nccl ? read_nccl_tests(path, context) : read_osu(path, context));
    document["logs"].push_back(log_json(logs.back()));
  }
  return profile_of_logs(logs, is_nccl ? LogKind::nccl_tests : LogKind::osu, options.device_name);
}

Profile merged(const Options& options, Json& document) {
  std::vector<Profile> profiles;
  for (const std::string& path : options.merged_profiles) {
    profiles.push_back(read_profile(path));
  }
  MergedProfile result = merge_profiles(std::move(profiles));
  document["conflicts"] = Json::array();
  for (const MergeConflict& conflict : result.conflicts) {
    document["conflicts"].push_back({{"key", conflict.key},
                                     {"older_s", conflict.older.in(unit::second)},
                                     {"newer_s", conflict.newer.in(unit::second)}});
  }
  return std::move(result.profile);
}

void print_import(const Json& document, std::ostream& out) {
  for (const Json& log : document.value("logs", Json::array())) {
    fmt::print(
        out, "{}: {} rows\n", log["file"].get<std::string>(), log["rows"].get<std::size_t>());
    for (const auto& [reason, rows] : log["skipped_rows"].items()) {
      fmt::print(out, "    left out {}: {}\n", rows.get<std::int64_t>(), reason);
    }
  }
  for (const Json& conflict : document.value("conflicts", Json::array())) {
    const auto key = conflict["key"].get<std::string>();
    const bool is_of_links = key.starts_with("link ") || key.starts_with("level '");
    const auto text = [&](const char* which) {
      const auto value = conflict[which].get<double>();
      return key.ends_with(" bandwidth") ? text_of(1.0 / value * unit::byte / unit::second)
                                         : text_of(value * unit::second);
    };
    fmt::print(out,
               "conflict: {}: {}, newer {}, beyond both intervals; {} is kept\n",
               key,
               text("older_s"),
               text("newer_s"),
               is_of_links ? "the topology of the most ranks, then the newer," : "the newer");
  }
  fmt::print(out,
             "{}: {} collectives and {} kernels on {}\n",
             document["out"].get<std::string>(),
             document["collectives"].get<std::size_t>(),
             document["kernels"].get<std::size_t>(),
             document["device"].get<std::string>());
}

// One of --nccl-tests, --osu and --merge, and --out.
void check_import(const Options& options) {
  const int sources = (options.nccl_tests_logs.empty() ? 0 : 1) +
                      (options.osu_logs.empty() ? 0 : 1) +
                      (options.merged_profiles.empty() ? 0 : 1);
  if (sources != 1) {
    throw InputError(
        "import",
        sources == 0 ? "nothing to import (expected --nccl-tests FILE, --osu FILE or --merge A B)"
                     : "takes one of --nccl-tests, --osu and --merge at a time (merge what they "
                       "give)");
  }
  if (options.merged_profiles.size() == 1) {
    throw InputError("--merge", "names one profile (expected two or more)");
  }
  if (!options.out) {
    throw InputError("--out", "is missing (expected a file for the profile)");
  }
}

}  // namespace

ExitCode run_import(const Options& options, const OutputStreams& streams) {
  check_import(options);
  Json document = document_head();
  document["kind"] = "import";
  document["inputs"] = {{"nccl_tests", options.nccl_tests_logs},
                        {"osu", options.osu_logs},
                        {"merge", options.merged_profiles}};
  document["out"] = *options.out;
  const Profile profile =
      options.merged_profiles.empty() ? imported(options, document) : merged(options, document);
  document.update(profile_summary(profile));
  write_atomically(*options.out, to_json(profile).dump(2) + "\n");
  Options to_stdout = options;
  to_stdout.out.reset();  // which is the profile's
  write_result(document, print_import, to_stdout, streams.out);
  return ExitCode::answered;
}

}  // namespace forerun
