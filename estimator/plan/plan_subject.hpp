// What a search leaves as it is: the model, its recipe but for what is chosen, and the machine.
#pragma once

#include <functional>
#include <optional>

#include "estimator/step/chunk_cost.hpp"
#include "estimator/step/memory.hpp"
#include "estimator/step/price.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/job.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct PlanSubject {
  ModelShape model;
  Recipe recipe;                                     ///< batch, sequence, precision, software
  std::optional<ModelShape> teacher = std::nullopt;  ///< distillation: see Job
  Placement placement;
  PriceList prices;
  HostCost host;
  Bytes capacity;                           ///< of one device
  Bytes host_capacity = Bytes::infinite();  ///< a device's share of its node's memory
  std::function<MemoryOverheads(const ParallelLayout&)> overheads;
};

}  // namespace forerun
