// The work of experts on as many rows as their routers send.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "estimator/rehearse/execution.hpp"
#include "estimator/rehearse/token_routes.hpp"
#include "estimator/step/work_list.hpp"

namespace forerun {

class ExpertExchange {
 public:
  /// `expert` is this rank in its expert group.
  ExpertExchange(const Execution& at, std::int64_t expert) : at_(at), expert_(expert) {}

  /// Forgets the routes of the step before.
  void begin_step() { routes_.clear(); }

  /// Looks whether the item, just run, tells the routes of its layer.
  void follow(const WorkItem& item, std::int64_t micro_batch);

  /// The kernel with the rows that came here; empty where none did, and its gradient is then zero.
  [[nodiscard]] std::optional<KernelWork> routed(const KernelWork& kernel,
                                                 std::int64_t micro_batch);

  /// Rows of the busiest rank of each layer and micro-batch over even shares, in the mean of the
  /// last step; 1 without routes.
  [[nodiscard]] double busiest_share() const;

  /// Rows of tokens to their experts, or back.
  void exchange(const CollectiveWork& collective, std::int64_t micro_batch);

 private:
  void plan(TensorId ends, std::int64_t micro_batch);

  Execution at_;
  std::int64_t expert_;
  std::map<std::pair<std::int64_t, std::int64_t>, TokenRoutes> routes_;  ///< layer, micro-batch
};

}  // namespace forerun
