// What every part of the executor works with.
#pragma once

#include "comm/watch/rank_watch.hpp"
#include "estimator/measure/grid_communicators.hpp"
#include "estimator/rehearse/tensor_store.hpp"
#include "jobs/job.hpp"
#include "kernels/device.hpp"

namespace forerun {

struct Execution {
  const Job& job;
  Device& device;
  GridCommunicators& groups;
  TensorStore& store;
};

}  // namespace forerun
