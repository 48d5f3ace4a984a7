// Does the split step compute what the unsplit one does? Losses and gradients, compared.
#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"
#include "estimator/rehearse/executor.hpp"

namespace forerun {

/// The same job on one rank: the loss of the first two steps and all gradients of the first.
struct ReferenceStep {
  double first_loss = 0.0;   ///< mean over tokens
  double second_loss = 0.0;  ///< after one optimizer step
  StageWeights weights;
  std::vector<float> gradients;
};

/// The job as one rank runs it.
[[nodiscard]] Job unsplit(Job job);

/// Runs the job unsplit on this rank's device; not collective. Needs memory for the whole model.
[[nodiscard]] ReferenceStep reference_step(const Job& job,
                                           Device& device,
                                           std::uint64_t seed,
                                           ExpertChoice choice = ExpertChoice::router);

struct EqualityReport {
  double first_loss = 0.0;
  double reference_first_loss = 0.0;
  double second_loss = 0.0;
  double reference_second_loss = 0.0;
  double worst_gradient_error = 0.0;  ///< relative L2 of the worst tensor over all ranks
  std::string worst_tensor;
  bool replicas_agree = false;  ///< data-parallel ranks hold the same bytes of weights afterwards
  double tolerance = 0.0;       ///< of gradients
  bool equal = false;
};

/// Relative difference that the number format allows: 1e-5 for fp32; 3e-2 for bf16, whose sums over
/// ranks are rounded to 8 bits. Where such sums lie before routers, tokens that weigh two experts
/// alike fall either way: of E experts' scores two lie about 1 / E of their spread apart, so that a
/// rounding of 2^-8 turns some E 2^-8 of the tokens, and a gradient that exchanges a share f of its
/// independent terms changes by sqrt(2 f) of its size. At most 0.4: a gradient
/// of which a half is missing must show. Where the router does not choose, nothing turns.
[[nodiscard]] double equality_tolerance(const Job& job, ExpertChoice choice = ExpertChoice::router);
/// The same for losses, which average over tokens: 1e-5 for fp32, 1e-3 for bf16.
[[nodiscard]] double loss_tolerance(Precision precision);

/// Collective over `world`. Runs the first step and the loss of the second on `executor`
/// (initialised here) and compares losses and every gradient shard with the reference.
[[nodiscard]] EqualityReport compare_with(const ReferenceStep& reference,
                                          const Job& job,
                                          Executor& executor,
                                          Communicator& world,
                                          std::uint64_t seed);

/// Mean loss over the global batch from the ranks' sums. Collective over `world`.
[[nodiscard]] double mean_loss(double loss_sum, const Job& job, Communicator& world);

}  // namespace forerun
