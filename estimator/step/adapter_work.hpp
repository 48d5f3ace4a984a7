// The work of fine-tuning with adapters, made from that of training every weight.
#pragma once

#include <optional>

#include "estimator/step/part_work.hpp"
#include "estimator/step/stage_weights.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// Adds the products of the adapters to those of their weights, widens weights of 4 bits before
/// every product that reads them, and takes away what only gradients of frozen weights needed.
/// `weights`: of the part. `outgoing`: the gradient that the part before reads, if there is one
/// and it trains anything.
void add_adapters(PartWork& part,
                  const Job& job,
                  const StageWeights& weights,
                  std::optional<TensorId> outgoing);

}  // namespace forerun
