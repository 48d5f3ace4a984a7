// Opens what a verb under mpirun needs: the ranks, the device of this one, and what joins them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/watch/rank_watch.hpp"
#include "estimator/backend/module.hpp"
#include "estimator/cli/options.hpp"
#include "estimator/measure/measure.hpp"
#include "topologies/discover_node.hpp"

namespace forerun {

/// World and device of this rank. Without --device, a GPU where the CUDA module finds one, else the
/// CPU.
class Ranks {
 public:
  explicit Ranks(const Options& options);

  [[nodiscard]] Machine machine();

  [[nodiscard]] Communicator& world() { return *world_; }

  [[nodiscard]] DeviceKind kind() const { return kind_; }

  /// What a reader of the numbers must know: ranks that share cores.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  [[nodiscard]] bool is_root() const { return world_->rank() == 0; }

 private:
  void join_devices(const Options& options);
  void watch(const Options& options, const std::string& host);
  void check_cores(const NodeDescription& node);
  void open_device_of(const Options& options, const DeviceChoice& choice);

  std::unique_ptr<Communicator> world_;
  DeviceKind kind_ = DeviceKind::host;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Communicator> device_world_;
  std::unique_ptr<RankWatch> watch_;
  std::vector<std::string> warnings_;
};

}  // namespace forerun
