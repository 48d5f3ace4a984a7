// One transformer layer as a chain of kernels on the data that they hand on.
#pragma once

#include <atomic>
#include <string>
#include <variant>
#include <vector>

#include "estimator/measure/measure.hpp"
#include "estimator/step/rank_noise.hpp"
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

/// Every kernel of the chain, again and again.
struct RepeatedLayer {
  KernelTimes times;  ///< of every rank
  std::size_t kernels = 0;
};

/// Collective over the machine's ranks, which all start at once and then repeat the chain for about
/// `time`, each at its own pace: what `noise_points` asks for. Returns why not, where the chain
/// cannot run or is too long to be repeated so often.
[[nodiscard]] std::variant<RepeatedLayer, std::string> repeat_layer(const Machine& machine,
                                                                    const Job& job,
                                                                    const Placement& placement,
                                                                    Seconds time);

}  // namespace forerun
