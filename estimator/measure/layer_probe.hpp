// One transformer layer as a chain of kernels on the data that they hand on.
#pragma once

#include <atomic>
#include <string>
#include <variant>
#include <vector>

#include "estimator/measure/measure.hpp"
#include "estimator/step/work_list.hpp"

namespace forerun {

struct LayerChain {
  Seconds time;                    ///< forward and backward; median of the slowest rank
  std::vector<KernelKey> kernels;  ///< in the order in which they ran
};

/// Collective over the machine's ranks, which all run the job's last layer at once, without its
/// collectives: modelling.md 10.6. Returns why not, where it cannot run.
[[nodiscard]] std::variant<LayerChain, std::string> probe_layer(const Machine& machine,
                                                                const Job& job,
                                                                const Placement& placement,
                                                                const std::atomic<bool>* stop);

}  // namespace forerun
