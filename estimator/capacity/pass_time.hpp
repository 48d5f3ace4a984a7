// Prices one forward pass of a served model.
#pragma once

#include <array>

#include "estimator/capacity/serving_work.hpp"
#include "estimator/step/price.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What a pass takes, by part and by tier of price.
struct PassTime {
  std::array<Seconds, serving_parts> parts;
  std::array<Seconds, 4> tiers;  ///< in the order of Tier
  double error_s = 0.0;          ///< sum of time times the price's relative error
  double launches = 0.0;         ///< kernels and collectives that the host starts

  PassTime& operator+=(const PassTime& other);
  void scale(double factor);
  [[nodiscard]] Seconds total() const;
  /// Of the total, by the prices' own errors.
  [[nodiscard]] double relative_error() const;
};

/// Time of one op, once. A product whose weights are narrower than the priced format (int8 and int4
/// on 16 bits) or wider (mxfp8 on fp8) takes as long as one that reads as many bytes, or, where
/// that is longer, as its FLOP take at the rate of 4,096 rows; its tier is never above fitted.
/// nvfp4 takes narrow_price of the fp8 product, as in training, but no less than one row takes that
/// reads as many bytes.
/// Attention over a cache takes what moving the cache takes, or, where that is longer, its FLOP at
/// the rate of a 4096^3 product (FlashMLA reaches 0.67 of an H800's peak, as large products do).
/// Where the software launches every operation by itself, a collective takes no less than it was
/// measured to take so (PriceList::launched).
[[nodiscard]] Price price_of(const ServingOp& op,
                             const ServedModel& served,
                             const PriceList& prices);

/// Adds, as `host`, what a device waits whose host needs longer for all the launches of a pass than
/// the device for their work: launching and computing go on side by side.
void add_host_wait(PassTime& pass, const ServingSoftware& software);

/// The forward pass of all layers with embedding and head on one stage after another, without
/// what a pipeline waits: each group of alike layers once, times their number.
[[nodiscard]] PassTime layers_time(const ServedModel& served,
                                   const PassShape& pass,
                                   const PriceList& prices);
[[nodiscard]] PassTime edge_time(const ServedModel& served,
                                 const PassShape& pass,
                                 const PriceList& prices);

/// From one token of a sequence to its next, on all stages: `pass` is what one attention group of
/// the replica holds. With pp stages the sequences go round in pp waves (fewer where there are
/// fewer sequences), each stage working on one while the others work on theirs: pp times the
/// slowest stage, which has most layers and the head, and its message. Where tokens do not flow
/// (ServingSoftware) the last wave of a token ends waves - 1 stage times later.
[[nodiscard]] PassTime iteration_time(const ServedModel& served,
                                      const PassShape& pass,
                                      const PriceList& prices);

/// What all stages do with one wave of the sequences, a share of `pass` for each stage.
[[nodiscard]] PassShape wave_of(const ServedModel& served, const PassShape& pass);

/// A batch of prompts until its last one has left the last stage: with pp stages cut into as many
/// waves (fewer where there are fewer prompts), each a stage behind the one before.
[[nodiscard]] PassTime batch_prefill_time(const ServedModel& served,
                                          const PassShape& pass,
                                          const PriceList& prices);

/// One pass through all stages without company: the prompt's time to its first token.
[[nodiscard]] PassTime prefill_time(const ServedModel& served,
                                    const PassShape& pass,
                                    const PriceList& prices);

}  // namespace forerun
