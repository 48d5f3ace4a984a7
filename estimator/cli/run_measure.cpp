// The verb `measure` on the command line.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <ostream>
#include <sstream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/job_options.hpp"
#include "estimator/cli/ranks.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/profile/kernel_family.hpp"
#include "estimator/profile/profile_json.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// A signal handler reaches nothing else.
std::atomic<bool> is_stopped = false;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
static_assert(std::atomic<bool>::is_always_lock_free);

// The first signal asks for an end, the second one is the system's own again.
extern "C" void stop_politely(int signal) {
  is_stopped = true;
  std::signal(signal, SIG_DFL);  // NOLINT(cert-err33-c): nothing can be done about a failure here
}

const std::atomic<bool>* stop_on_signals() {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, stop_politely);  // NOLINT(cert-err33-c): the default then stays
  }
  return &is_stopped;
}

// One job per precision when the user named none: the profile then prices both.
std::vector<Job> jobs_to_measure(const Options& options, Ranks& ranks) {
  if (options.models.empty() && options.kernels_only && !options.kernels.empty()) {
    return {};
  }
  JobDefaults defaults = job_defaults(ranks.kind());
  const std::int64_t devices =
      options.kernels_only ? devices_of_layouts(options) : ranks.world().size();
  const auto precisions = options.precision ? std::vector{*options.precision} : defaults.precisions;
  std::vector<Job> jobs;
  for (const Precision precision : precisions) {
    defaults.precisions = {precision};
    const auto more = jobs_from(options, devices, defaults);
    jobs.insert(jobs.end(), more.begin(), more.end());
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
  for (const Json* record : sorted) {
    const Seconds time = (*record)["median_s"].get<double>() * unit::second;
    const auto key = (*record)["key"].get<std::string>();
    fmt::print(out, "  {:>9}  {:>13}  {}\n", text_of(time), rate_text(key, time), key);
  }
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
               "\nlinks of level {}: {} after {} (fit error {:.1f} %)\n",
               level["name"].get<std::string>(),
               text_of(level["bandwidth_bytes_per_s"].get<double>() * unit::byte / unit::second),
               text_of(level["latency_s"].get<double>() * unit::second),
               100.0 * level["fit_error"].get<double>());
  }
  for (const Json& key : profile["skipped"]) {
    fmt::print(out, "skipped: {}\n", key.get<std::string>());
  }
}

}  // namespace

ExitCode run_measure(const Options& options, const Streams& streams) {
  Ranks ranks(options);
  MeasureOptions request;
  request.jobs = jobs_to_measure(options, ranks);
  request.budget = options.time_budget.value_or(Seconds::infinite());
  request.out = options.out.value_or("profile.json");
  request.start = options.resume ? MeasureOptions::Start::resume : MeasureOptions::Start::afresh;
  request.what =
      options.kernels_only ? MeasureOptions::What::kernels : MeasureOptions::What::everything;
  request.kernels = options.kernels;
  request.seed = options.seed;
  request.stop = stop_on_signals();
  const Profile profile = measure(request, ranks.machine(), streams.log);
  if (ranks.is_root()) {
    Options to_stdout = options;
    to_stdout.out.reset();
    write_result(to_json(profile), print_profile, to_stdout, streams.out);
  }
  if (*request.stop) {
    if (ranks.is_root()) {
      fmt::print(streams.log,
                 "forerun: interrupted: {} holds what was measured; --resume measures the rest\n",
                 request.out);
    }
    return ExitCode::failed;
  }
  return ExitCode::answered;
}

}  // namespace forerun
