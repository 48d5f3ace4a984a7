// What one pass of a part of a chunk costs, apart from its neighbours.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "estimator/step/part_work.hpp"
#include "estimator/step/price.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// `on`: what the software overlaps does overlap, as on GPUs; `off`: nothing does.
enum class Overlap { off, on };

/// Priced seconds by tier, and the seconds that may be wrong.
struct PricedTime {
  std::array<double, 4> seconds{};  ///< indexed by Tier
  double uncertain_seconds = 0.0;

  /// `time` of the price's, or of a part of it that is exposed.
  void add(const Price& price, Seconds time);
  PricedTime& operator+=(const PricedTime& other);
  friend PricedTime operator*(double count, PricedTime time);
};

/// One pass of one micro-batch. Times are of the device alone: the host's are `launches`.
struct PassCost {
  Seconds compute;
  Seconds accumulation;  ///< part of `compute` that the first micro-batch does not do
  Seconds recompute;
  Seconds tensor_parallel;          ///< exposed
  Seconds context_parallel;         ///< exposed
  Seconds expert_parallel;          ///< exposed
  Seconds wire;                     ///< of all collectives, exposed or not
  Seconds contention;               ///< compute slowed by what runs beside it
  Seconds gather;                   ///< ZeRO-3: of the weights, not yet overlapped with anything
  Seconds reduce;                   ///< ZeRO-2 and 3: of the gradients, the same
  double launches = 0.0;            ///< kernels and collectives that the host starts
  Flops flops;                      ///< that the kernels execute
  ComputeMix mix;                   ///< of `compute` and `recompute`
  Seconds met;                      ///< of the same, after which ranks have waited for one another
  std::int64_t gathered_bytes = 0;  ///< of the largest collective in `gather`
  std::int64_t reduced_bytes = 0;   ///< and in `reduce`
  PricedTime priced;                ///< of all that the total holds
  PricedTime sharding;              ///< of `gather` and `reduce`

  /// Exposed collectives of activations.
  [[nodiscard]] Seconds communication() const {
    return tensor_parallel + context_parallel + expert_parallel;
  }

  /// Without `gather` and `reduce`.
  [[nodiscard]] Seconds total() const;
  PassCost& operator+=(const PassCost& other);
  friend PassCost operator*(double count, PassCost pass);
};

/// The parts of `backward` in schedules that split it: what the stage before waits for, and what
/// only the update needs, the reduction of gradients included.
struct PartCost {
  PassCost forward;
  PassCost backward;
  PassCost backward_input;
  PassCost backward_weight;
};

/// Relative, of what ranks wait for one another: from half to one and a half times as much from one
/// time to the next on the machines that we could measure.
inline constexpr double wait_error = 0.5;

/// Prices items, remembering keys.
class Pricing {
 public:
  Pricing(const PriceList& prices, const Software& software, Overlap overlap)
      : prices_(prices), software_(software), overlap_(overlap) {}

  const Price& of(const KernelKey& key);
  const Price& of(const CollectiveKey& key);

  [[nodiscard]] PartCost part(const PartWork& work);

  [[nodiscard]] Overlap overlap() const { return overlap_; }

  /// Speeds of a collective and of the computation beside it, where they were measured.
  [[nodiscard]] std::optional<SharedSpeed> speed_beside(const ComputeMix& mix,
                                                        Collective op,
                                                        std::int64_t bytes) const {
    return shared_speed(mix, prices_.overlap, op, bytes);
  }

  [[nodiscard]] const Software& software() const { return software_; }

  /// What ranks that meet after so much computation wait for the slowest of them. None where
  /// nothing is known of how far ranks drift apart.
  [[nodiscard]] Seconds wait(Seconds work, std::int64_t ranks) const;

 private:
  void add(const WorkItem& item, PassCost& cost);
  void add_kernel(const WorkItem& item, const KernelKey& key, PassCost& cost);
  void add_collective(const WorkItem& item, const CollectiveWork& work, PassCost& cost);
  [[nodiscard]] PassCost waits_of(const std::vector<WorkItem>& items);
  void add_wait(const WorkItem& item, Seconds work, PassCost& cost) const;

  const PriceList& prices_;
  const Software& software_;
  Overlap overlap_;
  std::map<KernelKey, Price> kernels_;
  std::map<CollectiveKey, Price> collectives_;
};

}  // namespace forerun
