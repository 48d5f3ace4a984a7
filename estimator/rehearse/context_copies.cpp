#include "estimator/rehearse/context_copies.hpp"

#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/stage_weights.hpp"
#include "units/integer.hpp"

namespace forerun {
namespace {

// Numbers of a rank's own tokens.
struct Own {
  double packed = 0.0;
  double queries = 0.0;  ///< likewise the output
  double keys = 0.0;     ///< likewise the values
};

// All pieces of one attention together, forward and backward.
struct Copies {
  double forward = 0.0;
  double backward = 0.0;
};

// Joining weighs two outputs and writes one.
constexpr double joining = 1.5;

// Each foreign piece is met by all queries and half of its keys, or by half of the queries and all
// of its keys: three quarters of either on average.
Copies ring_copies(const Own& own, double ranks) {
  constexpr double met = 0.75;
  const double queries = met * own.queries;
  const double pair = 2.0 * met * own.keys;
  const double sent = 4.0 * own.keys;  // keys and values, out and in
  Copies copies;
  copies.forward = 2.0 * own.packed + 2.0 * own.queries +
                   (ranks - 1.0) * (sent + queries + pair + (1.0 + joining) * queries);
  copies.backward =
      2.0 * own.packed + 2.0 * own.queries + 2.0 * own.packed +
      (ranks - 1.0) * (2.0 * sent + 3.0 * queries + pair + 2.0 * queries + 2.0 * pair) +
      2.0 * own.packed;
  return copies;
}

// Two pieces of half the queries each: the early half sees the keys before it, the late half, which
// lies as far from the end, the others and its own.
Copies gathered_copies(const Own& own, double ranks) {
  const double gathered = 2.0 * (1.0 + ranks) * own.keys;
  const double pairs = (2.0 * ranks + 1.0) * own.keys;
  Copies copies;
  copies.forward = 2.0 * own.packed + gathered + own.queries + pairs +
                   (1.0 + joining) * own.queries + own.queries;
  copies.backward = 2.0 * own.packed + 2.0 * own.queries + gathered + 3.0 * own.queries + pairs +
                    2.0 * own.queries + 2.0 * pairs + gathered + 2.0 * own.packed;
  return copies;
}

}  // namespace

double context_copies(const Job& job) {
  if (job.layout.context == 1) {
    return 0.0;
  }
  const double rows = real(job.recipe.micro_batch * job.recipe.sequence) / real(job.layout.context);
  const double size = real(job.model.attention.head_size);
  Own own;
  own.queries = rows * real(local_heads(job)) * size;
  own.keys = rows * real(local_kv_heads(job)) * size;
  own.packed = own.queries + 2.0 * own.keys;
  const double ranks = real(job.layout.context);
  const Copies copies = job.recipe.context_kind == ContextKind::ring ? ring_copies(own, ranks)
                                                                     : gathered_copies(own, ranks);
  const bool repeats = job.recipe.recompute.kind == Recompute::full;
  std::int64_t attentions = 0;
  for (std::int64_t layer = 0; layer < job.model.layers; ++layer) {
    attentions += kind_of(job.model, layer).mixer == Mixer::attention ? 1 : 0;
  }
  const double runs = real(micro_batches(job)) * real(attentions) / real(job.layout.pipeline);
  return runs * ((repeats ? 2.0 : 1.0) * copies.forward + copies.backward);
}

}  // namespace forerun
