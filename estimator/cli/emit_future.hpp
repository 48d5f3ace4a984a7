// Files of a model and a cluster of a later year, beside a forecast.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "estimator/cli/run_verb.hpp"

namespace forerun {

/// What --emit-job and --emit-cluster ask for, made from a scenario's medians; nothing without
/// them. Throws InputError where the scenario lacks what the cluster's size needs.
void emit_future(const Options& options,
                 const nlohmann::ordered_json& document,
                 const OutputStreams& streams);

}  // namespace forerun
