// The pieces that a step is put together from: `estimate_step` does so for one job, a layout search
// keeps those that many jobs share.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/chunk_cost.hpp"
#include "estimator/step/pipeline_simulation.hpp"
#include "estimator/step/tail_cost.hpp"
#include "jobs/job.hpp"

namespace forerun {

struct StageCost {
  std::vector<ChunkCost> chunks;  ///< local, in model order
  TailCost tail;
};

/// The stages of a job with what their passes and their tails cost.
struct PricedStages {
  std::vector<StageCost> stages;
  std::vector<Seconds> messages;  ///< [r]: between stages r and r + 1; the last to stage 0
  PricedTime priced_message;      ///< one, on average
};

/// Fills in the messages: those inside a node and those between nodes differ, and the receivers
/// gather what tensor ranks sent in parts.
void price_messages(const WorkBuilder& builder, Pricing& pricing, PricedStages& stages);

/// A chunk's passes as the average micro-batch runs them: the first does not accumulate. `hidden`:
/// the share of the communication that a partner's computation hides.
[[nodiscard]] PassCosts pass_costs(const ChunkCost& chunk,
                                   std::int64_t micro_batches,
                                   double hidden);

/// What runs beside computation.
struct Streams {
  double hidden = 0.0;  ///< share of the communication of paired passes that hides
  Exchange exchange = Exchange::blocking;
};

/// Interleaving overlaps its messages on GPUs; plain 1F1B waits for them (modelling.md 2.3). Where
/// messages of this size were measured beside products: the nearer to what they did.
[[nodiscard]] Streams streams_of(const Job& job,
                                 const Pricing& pricing,
                                 std::int64_t message_bytes);

}  // namespace forerun
