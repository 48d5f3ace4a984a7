// Which kernels and collectives a step consists of, and what each of them was priced at.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "estimator/estimate/estimate.hpp"

namespace forerun {

/// One key of the work list as often as a rank runs it in a step. `each` is what it takes by
/// itself: what the schedule hides of it is only in the breakdown.
struct PricedOperation {
  std::string key;
  Part part = Part::compute;
  double calls = 0.0;
  Seconds each;
  Tier tier = Tier::datasheet;
};

/// Of a rank of the stage that the breakdown belongs to, the longest in all first. Without messages
/// between stages, a teacher's passes, and what ranks wait for one another.
[[nodiscard]] std::vector<PricedOperation> priced_operations(const JobEstimate& estimate);

/// [{key, part, calls, time_s, total_s, tier}, ...]
[[nodiscard]] nlohmann::ordered_json to_json(const std::vector<PricedOperation>& operations);

/// The first `most` of them.
void print_operations(const std::vector<PricedOperation>& operations,
                      std::size_t most,
                      std::ostream& out);

}  // namespace forerun
