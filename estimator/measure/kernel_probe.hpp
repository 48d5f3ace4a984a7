// Times one kernel key on every rank at once.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "estimator/profile/profile.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// How long a probe may go on and how sure it must be.
struct ProbeLimits {
  Seconds time;                ///< for this key
  double tolerance = 0.01;     ///< half-width of the 95 % interval of the median
  std::int64_t samples = 300;  ///< at most
};

/// Memory that probes share: allocating and filling gigabytes anew for every key would spend most
/// of a time budget.
class OperandArena {
 public:
  explicit OperandArena(Device& device) : device_(device) {}

  /// Operands of the key, those that it reads filled with random values. Valid until the next call.
  [[nodiscard]] std::span<void* const> operands_for(const KernelKey& key);

 private:
  struct Slot {
    DeviceBuffer buffer;
    std::string content;     ///< what kind of values it holds
    std::size_t filled = 0;  ///< bytes of them
  };

  void fill(Slot& slot, const KernelKey& key, const Operand& operand, std::size_t bytes);

  Device& device_;
  std::vector<Slot> slots_;
  std::vector<void*> pointers_;
};

/// A device, the ranks that measure together, and the memory for it.
struct ProbePlace {
  Device& device;
  Communicator& world;
  OperandArena& arena;
};

/// Collective over the world: all ranks run the key at the same time on random operands, with cold
/// caches, until every rank's median is settled or the limits end it; at least three samples. The
/// slowest rank's statistics, with the spread over ranks.
[[nodiscard]] Timing probe_kernel(const ProbePlace& place,
                                  const KernelKey& key,
                                  const ProbeLimits& limits);

}  // namespace forerun
