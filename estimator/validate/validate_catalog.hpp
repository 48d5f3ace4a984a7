// How well the profiles that ship with the program price the kernels that others timed.
#pragma once

#include <vector>

#include "estimator/validate/public_timings.hpp"
#include "estimator/validate/validation.hpp"

namespace forerun {

/// Every timing that was taken on a device of the catalog, priced by that device's own profile. The
/// profiles were fitted to part of these rows: their error on what a fit had not seen is the one
/// that they state themselves, and which decides `coverage`. Rows of other sources show how far
/// sources disagree. Groups: cluster and table; products of at least 512 rows also apart.
[[nodiscard]] Validation validate_catalog(const std::vector<PublicTiming>& timings);

}  // namespace forerun
