#include "estimator/cli/ranks.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "estimator/cli/alike.hpp"
#include "estimator/cli/exit_code.hpp"
#include "units/input_error.hpp"

namespace forerun {

Ranks::Ranks(const Options& options) : world_(open_world()) {
  if (options.kernels_only) {
    if (world_->size() > 1) {
      throw InputError("--kernels-only",
                       "is for one process (run it without mpirun, or with mpirun -np 1)");
    }
    open_device_of(options, DeviceChoice{});
    return;
  }
  if (options.devices && *options.devices != world_->size()) {
    throw InputError("--devices",
                     std::to_string(*options.devices) + " does not equal the " +
                         std::to_string(world_->size()) +
                         " ranks that run this (start as many with mpirun -np)");
  }
  const NodeDescription node = discover_node();
  require_alike(*world_, node.host, options);
  watch(options, node.host);
  const auto hosts = world_->all_gather_text(node.host);
  const std::string& here = hosts[static_cast<std::size_t>(world_->rank())];
  DeviceChoice choice;
  choice.local_rank =
      static_cast<int>(std::count(hosts.begin(), hosts.begin() + world_->rank(), here));
  choice.local_ranks = static_cast<int>(std::ranges::count(hosts, here));
  open_device_of(options, choice);
  if (kind_ == DeviceKind::cuda) {
    join_devices(options);
  } else {
    check_cores(node);
  }
}

// NCCL; for a measurement, which synchronises before every operation, MPI where NCCL is missing and
// the MPI library takes device memory.
void Ranks::join_devices(const Options& options) {
  std::string complaint;
  try {
    device_world_ = open_device_world(*device_, *world_);
  } catch (const std::runtime_error& error) {
    complaint = error.what();
  }
  const auto complaints = world_->all_gather_text(complaint);
  const auto first =
      std::ranges::find_if(complaints, [](const auto& text) { return !text.empty(); });
  if (first == complaints.end()) {
    return;
  }
  device_world_.reset();
  if (options.verb != Verb::measure || world_->size() == 1) {
    throw std::runtime_error(*first);
  }
  try {
    device_world_ = open_mpi_device_world(*device_);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(*first + "; and over MPI: " + error.what());
  }
  warnings_.push_back("collectives went over MPI, not NCCL: " + *first);
}

// From the watching thread, while the main one may wait in MPI for ever: nothing is unwound. What
// was measured is on disk already, line by line.
void Ranks::watch(const Options& options, const std::string& host) {
  if (world_->size() == 1) {
    return;
  }
  const std::string hint =
      options.verb == Verb::measure
          ? fmt::format(" ({}.journal holds what was measured: --resume goes on from there)",
                        options.out.value_or("profile.json"))
          : std::string();
  watch_ = std::make_unique<RankWatch>(
      *world_, host, options.stall_limit, [hint](const std::string& what) {
        std::cerr << fmt::format("forerun: {}{}\n", what, hint) << std::flush;
        std::_Exit(static_cast<int>(ExitCode::failed));
      });
  if (!watch_->unwatched().empty()) {
    warnings_.push_back("no TCP connection to rank 0 from " + watch_->unwatched() +
                        ": if one of them stops, nobody notices");
  }
}

void Ranks::check_cores(const NodeDescription& node) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> nodes;  // ranks, cores
  for (const std::string& text :
       world_->all_gather_text(fmt::format("{} {}", node.cores, node.host))) {
    auto& [ranks, cores] = nodes[text.substr(text.find(' ') + 1)];
    ++ranks;
    cores = std::stoll(text);
  }
  for (const auto& [host, counts] : nodes) {
    const auto& [ranks, cores] = counts;
    if (ranks > cores) {
      warnings_.push_back(fmt::format(
          "{} ranks share the {} cores of {}: a rank often waits for a core, so kernels and "
          "collectives take longer here than with a core for each (at most {} ranks there)",
          ranks,
          cores,
          host,
          cores));
    }
  }
}

void Ranks::open_device_of(const Options& options, const DeviceChoice& choice) {
  kind_ = options.device.value_or(has_gpu() ? DeviceKind::cuda : DeviceKind::host);
  device_ = open_device(kind_, choice);
}

Machine Ranks::machine() {
  return {*device_, *world_, device_world_ ? *device_world_ : *world_, watch_.get()};
}

}  // namespace forerun
