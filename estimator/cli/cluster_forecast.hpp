// `forerun forecast --cluster`: one machine's own numbers carried to copies and work.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "estimator/cli/options.hpp"

namespace forerun {

/// The MFU is that of --layout; without it, of the fastest layout that a profile has measured, or,
/// for a --model, of the layout that `plan` finds best (without --batch for one sequence a device).
/// The decode efficiency is what `capacity` finds for the same model and devices. Throws InputError
/// without --days, and where no layout is feasible.
[[nodiscard]] nlohmann::ordered_json forecast_on_cluster(const Options& options);

}  // namespace forerun
