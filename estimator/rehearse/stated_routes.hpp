// Experts that tokens are sent to whatever the router says, as benchmarks do to compare steps of
// equal work (Megatron-Core's --moe-router-force-load-balancing).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "estimator/rehearse/execution.hpp"
#include "kernels/kernel_key.hpp"

namespace forerun {

/// Who chooses the experts of a token. `stated`: the recipe's load, where it is one that says so;
/// the router computes what it always does, and its probabilities' gradient goes its way.
enum class ExpertChoice { router, stated };

/// Whether a load says which experts a token goes to: `balanced` and `multinomial` do.
[[nodiscard]] bool says_where(const ExpertLoad& load);

/// Logits (rows * experts) that make the router choose them for `count` rows of a micro-batch from
/// row `first` on: 1 + j / 8 of the j-th choice, 0 of all others, exact in bf16. `balanced`: one
/// expert after the other, row after row; `multinomial`: at random and distinct, other ones for
/// every `seed`, and of a row the same on any split.
[[nodiscard]] std::vector<float> stated_logits(LoadKind load,
                                               const RouterShape& router,
                                               std::int64_t first,
                                               std::int64_t count,
                                               std::uint64_t seed);

class StatedRoutes {
 public:
  explicit StatedRoutes(const Execution& at) : at_(at) {}

  /// What takes the place of the router's logits, on the device: one of a few tables, which layers
  /// and micro-batches share. Made on first use and kept; counted with the activations. Throws
  /// OutOfMemory.
  [[nodiscard]] void* logits(const KernelKey& router, std::int64_t layer, std::int64_t micro_batch);

 private:
  Execution at_;
  std::map<std::uint64_t, DeviceBuffer> logits_;  ///< by seed
};

}  // namespace forerun
