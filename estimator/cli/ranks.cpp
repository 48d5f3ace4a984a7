#include "estimator/cli/ranks.hpp"

#include <algorithm>

#include "topologies/discover_node.hpp"
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
  const auto hosts = world_->all_gather_text(discover_node().host);
  const std::string& here = hosts[static_cast<std::size_t>(world_->rank())];
  DeviceChoice choice;
  choice.local_rank =
      static_cast<int>(std::count(hosts.begin(), hosts.begin() + world_->rank(), here));
  choice.local_ranks = static_cast<int>(std::ranges::count(hosts, here));
  open_device_of(options, choice);
  if (kind_ == DeviceKind::cuda) {
    device_world_ = open_device_world(*device_, *world_);
  }
}

void Ranks::open_device_of(const Options& options, const DeviceChoice& choice) {
  kind_ = options.device.value_or(has_gpu() ? DeviceKind::cuda : DeviceKind::host);
  device_ = open_device(kind_, choice);
}

Machine Ranks::machine() {
  return {*device_, *world_, device_world_ ? *device_world_ : *world_};
}

}  // namespace forerun
