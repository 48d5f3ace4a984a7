// The verb `measure` on the command line.
#include <algorithm>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <ostream>
#include <sstream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/job_options.hpp"
#include "estimator/cli/ranks.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/stop_signals.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/measure/collective_table.hpp"
#include "estimator/measure/grid_communicators.hpp"
#include "estimator/measure/skipped_lines.hpp"
#include "estimator/profile/kernel_family.hpp"
#include "estimator/profile/profile_json.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/input_error.hpp"
#include "units/progress_line.hpp"
#include "units/quantity_text.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// One job per precision when the user named none: the profile then prices both. Members of a set
// that a model cannot take are left out, with a warning.
std::vector<Job> jobs_to_measure(const Options& options,
                                 Ranks& ranks,
                                 std::vector<std::string>& warnings) {
  if (options.models.empty()) {
    return {};
  }
  JobDefaults defaults = job_defaults(ranks.kind());
  const std::int64_t devices =
      options.kernels_only ? devices_of_layouts(options) : ranks.world().size();
  const auto precisions = options.precision ? std::vector{*options.precision} : defaults.precisions;
  std::vector<Job> jobs;
  for (const Precision precision : precisions) {
    defaults.precisions = {precision};
    const JobSet more = legal_jobs_from(options, devices, defaults);
    jobs.insert(jobs.end(), more.jobs.begin(), more.jobs.end());
    for (const std::string& left : more.left_out) {
      warnings.push_back("left out: " + left);
    }
  }
  return jobs;
}

std::string rate_text(const std::string& text, Seconds time) {
  const auto key = kernel_key_from(text);
  if (key && is_matrix_work(key->op)) {
    return text_of(hardware_flops(*key) / time);
  }
  if (key) {
    return text_of(minimum_traffic(*key) / time);
  }
  const auto collective = collective_key_from(text);
  return collective ? text_of(wire_bytes(*collective) * unit::byte / time) : "";
}

void print_records(const Json& records, const char* title, std::ostream& out) {
  fmt::print(out, "\n{}: {}\n", records.size(), title);
  // Measured in random order, read from the longest down.
  std::vector<const Json*> sorted;
  for (const Json& record : records) {
    sorted.push_back(&record);
  }
  std::ranges::stable_sort(sorted, std::greater<>(), [](const Json* record) {
    return (*record)["median_s"].get<double>();
  });
  TextTable table({{""}, {""}, {"", Align::left}}, 2);
  for (const Json* record : sorted) {
    const Seconds time = (*record)["median_s"].get<double>() * unit::second;
    const auto key = (*record)["key"].get<std::string>();
    table.add({text_of(time), rate_text(key, time), key});
  }
  table.print(out);
}

void print_profile(const Json& profile, std::ostream& out) {
  const Json& device = profile["device"];
  const Json& topology = profile["topology"];
  fmt::print(out,
             "{} ranks of {} ({} cores, {}), {} a node, measured {} in {:.0f} s\n",
             topology["ranks"].get<std::int64_t>(),
             device["name"].get<std::string>(),
             device["cores_per_device"].get<std::int64_t>(),
             text_of(device["memory_bytes"].get<double>() * unit::byte),
             topology["ranks_per_node"].get<std::int64_t>(),
             profile["date"].get<std::string>(),
             profile["elapsed_s"].get<double>());
  print_records(profile["kernels"], "kernels (median time, FLOP or byte rate)", out);
  print_records(profile["collectives"], "collectives (median time, rate on the wire)", out);
  for (const Json& level : topology["levels"]) {
    fmt::print(out,
               "\nlinks of level {}: {} after {} ({:.1f} % from the collectives)\n",
               level["name"].get<std::string>(),
               text_of(level["bandwidth_bytes_per_s"].get<double>() * unit::byte / unit::second),
               text_of(level["latency_s"].get<double>() * unit::second),
               100.0 * level["fit_error"].get<double>());
  }
  if (const Json& layer = profile["layer_factor"]; !layer.is_null()) {
    fmt::print(out,
               "\na layer of {} {} in {} takes {:.3f} times the sum of its kernels ({} and {})\n",
               layer["model"].get<std::string>(),
               layer["layout"].get<std::string>(),
               layer["precision"].get<std::string>(),
               layer["factor"].get<double>(),
               text_of(layer["chained_s"].get<double>() * unit::second),
               text_of(layer["alone_s"].get<double>() * unit::second));
  }
  const Json& noise = profile["noise"];
  if (!noise.empty() && noise.back()["ranks"] > 1) {
    const Json& widest = noise.back();
    fmt::print(out,
               "\n{} ranks that do {} of the same work are done after {:.3f} times their kernels' "
               "medians\n",
               widest["ranks"].get<std::int64_t>(),
               text_of(widest["work_s"].get<double>() * unit::second),
               1.0 + widest["excess"].get<double>());
  }
  print_skipped(profile["skipped"], out);
}

std::string members_text(const PlacedGroup& group) {
  std::string text;
  for (std::size_t i = 0; i < group.ranks.size(); ++i) {
    text += fmt::format("{}{}@{}", i == 0 ? "" : " ", group.ranks[i], group.nodes[i]);
  }
  return text;
}

// Every group of every kind that the layouts use, with its members' nodes.
void print_groups(const MeasureOptions& request,
                  const std::vector<std::string>& hosts,
                  std::ostream& log) {
  for (const Job& job : request.jobs) {
    const ProcessGrid grid(degrees_of(job.layout), request.rank_order);
    for (const GroupKind kind : kinds_used(job.layout, experts_of(job.model))) {
      if (grid.shape(kind, 1).ranks < 2) {
        continue;
      }
      fmt::print(log, "{} groups of {}:", name_of(kind), text_of(job.layout));
      for (const PlacedGroup& group : placed_groups(grid, kind, hosts)) {
        fmt::print(log, " [{}]", members_text(group));
      }
      fmt::print(log, "\n");
    }
  }
}

// Before anything is measured: what must be known of the run.
void announce(const MeasureOptions& request,
              const std::vector<std::string>& hosts,
              const Options& options,
              std::ostream& log) {
  if (options.verbosity == Verbosity::verbose) {
    print_groups(request, hosts, log);
  }
  for (const std::string& warning : request.warnings) {
    fmt::print(log, "warning: {}\n", warning);
  }
}

ProgressStyle progress_style(const Options& options) {
  if (options.verbosity == Verbosity::verbose) {
    return ProgressStyle::every;
  }
  return standard_error_takes_progress() ? ProgressStyle::bar : ProgressStyle::sparse;
}

MeasureOptions request_from(const Options& options, Ranks& ranks) {
  MeasureOptions request;
  request.warnings = ranks.warnings();
  request.jobs = jobs_to_measure(options, ranks, request.warnings);
  request.budget = options.time_budget.value_or(Seconds::infinite());
  request.out = options.out.value_or("profile.json");
  request.start = options.resume ? MeasureOptions::Start::resume : MeasureOptions::Start::afresh;
  if (options.kernels_only) {
    request.what = MeasureOptions::What::kernels;
  } else if (options.comm_only) {
    request.what = MeasureOptions::What::collectives;
  }
  request.kernels = options.kernels;
  request.rank_order = options.rank_order;
  request.seed = options.seed;
  return request;
}

// Of rank 0, where --log-json asks for it; closed elsewhere.
std::ofstream json_log(const Options& options, Ranks& ranks) {
  std::ofstream json;
  if (options.log_json && ranks.is_root()) {
    json.open(*options.log_json);
    if (!json) {
      throw std::runtime_error(*options.log_json + ": cannot open for writing (--log-json)");
    }
  }
  return json;
}

// Why a profile that was written is not what was asked for; empty when it is.
std::string failure_of(const MeasureOptions& request, const Profile& profile) {
  if (*request.stop) {
    return fmt::format("interrupted: {} holds what was measured; --resume measures the rest",
                       request.out);
  }
  if (profile.kernels.empty() && profile.collectives.empty()) {
    return fmt::format("nothing was measured: {}",
                       profile.skipped.empty() ? "nothing was asked for" : profile.skipped.front());
  }
  return {};
}

}  // namespace

ExitCode run_measure(const Options& options, const OutputStreams& streams) {
  if (options.decode) {
    return run_decode(options, streams);
  }
  const StopSignals signals;
  Ranks ranks(options);
  if (options.comm_only && ranks.world().size() < 2) {
    throw InputError("--comm-only", "needs at least two ranks (start it with mpirun -np N)");
  }
  MeasureOptions request = request_from(options, ranks);
  const auto hosts = ranks.world().all_gather_text(discover_node().host);
  if (ranks.is_root()) {
    announce(request, hosts, options, streams.log);
  }
  request.stop = &signals.is_stopped();
  std::ofstream json = json_log(options, ranks);
  const Profile profile =
      measure(request,
              ranks.machine(),
              {streams.log, json.is_open() ? &json : nullptr, progress_style(options)});
  if (json.is_open() && !json.flush()) {
    fmt::print(streams.log, "warning: {}: cannot be written to its end\n", *options.log_json);
  }
  if (ranks.is_root()) {
    Options to_stdout = options;
    to_stdout.out.reset();
    write_result(to_json(profile),
                 options.comm_only ? print_collective_table : print_profile,
                 to_stdout,
                 streams.out);
  }
  const std::string failure = failure_of(request, profile);
  if (failure.empty()) {
    return ExitCode::answered;
  }
  if (ranks.is_root()) {
    fmt::print(streams.log, "forerun: {}\n", failure);
  }
  return ExitCode::failed;
}

}  // namespace forerun
