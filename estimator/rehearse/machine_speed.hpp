// How fast the machine computes now, beside the profile that prices come from: machines that others
// share, or that heat up, are not as fast at noon as in the morning.
#pragma once

#include <cstdint>
#include <optional>

#include "estimator/measure/measure.hpp"
#include "estimator/profile/profile.hpp"
#include "estimator/step/price.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/job.hpp"

namespace forerun {

struct MachineSpeed {
  double factor = 1.0;       ///< what kernels take now over what the profile says
  std::int64_t kernels = 0;  ///< that were timed again
  double share = 0.0;        ///< that they have of the time of all kernels of the layers
};

/// A profile and the prices that it leads to.
struct ProfiledPrices {
  const Profile& profile;
  const PriceList& prices;
};

/// Collective over the machine's ranks, which hold the same profile. Times those kernels of the
/// job's layers again that take most of a step, as `measure` does and the middle of three rounds,
/// as far as the profile expects it to end within `budget`; the prices are what others are taken
/// to take. Nothing where those that the profile holds are less than a tenth of the time: they
/// would speak for kernels that they are no part of.
[[nodiscard]] std::optional<MachineSpeed> speed_now(const Machine& machine,
                                                    const Job& job,
                                                    const Placement& placement,
                                                    const ProfiledPrices& known,
                                                    Seconds budget);

}  // namespace forerun
