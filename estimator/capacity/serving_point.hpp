// One way to serve on one replica: how many sequences at once, and what that gives.
#pragma once

#include <cstdint>
#include <optional>

#include "estimator/capacity/pass_time.hpp"

namespace forerun {

/// What is asked of a replica: mean lengths, and the latencies that every request must meet.
struct Workload {
  std::int64_t input_tokens = 1024;
  std::int64_t output_tokens = 1024;
  std::optional<Seconds> ttft;  ///< time to first token, mean
  std::optional<Seconds> tpot;  ///< time per output token after the first, mean
  /// Rows that one pass takes at most: 8192, the default of vLLM's max_num_batched_tokens (offline)
  /// and of TensorRT-LLM's max_num_tokens.
  std::int64_t pass_tokens = 8192;
};

struct ServingMemory {
  Bytes weights;
  Bytes cache;
  Bytes workspace;

  [[nodiscard]] Bytes total() const { return weights + cache + workspace; }
};

struct ServingPoint {
  ServingLayout layout;
  std::int64_t batch = 0;     ///< sequences that the replica decodes at once
  Seconds ttft;               ///< queueing included
  Seconds tpot;               ///< mean, also where drafts make tokens come in bursts
  double tokens_per_s = 0.0;  ///< generated, one replica
  PassTime time;              ///< of a mean iteration, over the tokens it yields: sums to tpot
  double prefill_load = 0.0;  ///< share of the prompt tokens that the passes have room for
  ServingMemory memory;       ///< of the rank that holds most

  [[nodiscard]] double tokens_per_s_per_device() const;
};

/// Steady state of continuous batching with chunked prefill (modelling.md 8.3 a): `batch` sequences
/// at a mean context of input + output / 2, and as many prompt tokens as replace those that end,
/// n S / O an iteration. Passes with prompt tokens carry a whole prompt, or as many tokens as come
/// in, at most `pass_tokens`; the rest decode only. First tokens wait as in an M/D/1 queue, at most
/// for half of the other sequences. Nothing where the prompts are more than the passes hold.
[[nodiscard]] std::optional<ServingPoint> continuous_point(const ServedModel& served,
                                                           const Workload& workload,
                                                           std::int64_t batch,
                                                           const PriceList& prices);

/// A replica of a decode pool: no prompts. `ttft` is zero.
[[nodiscard]] ServingPoint decode_point(const ServedModel& served,
                                        const Workload& workload,
                                        std::int64_t batch,
                                        const PriceList& prices);

/// A replica of a prefill pool: as many prompts at once as `pass_tokens` hold, at least one.
/// `tokens_per_s` are the output tokens that its prompts lead to; `ttft` without queueing, with the
/// cache's way to the decode pool over the outermost link. A draft reads the prompts too, and its
/// cache goes the same way.
[[nodiscard]] ServingPoint prefill_point(const ServedModel& served,
                                         const Workload& workload,
                                         const PriceList& prices);

/// Sequences whose caches fit beside the weights in `usable` memory a device, a multiple of what
/// the layout needs; 0 when not even that many do.
[[nodiscard]] std::int64_t most_sequences(const ServedModel& served,
                                          const Workload& workload,
                                          Bytes usable);

/// Time for a static batch: all prompts at once, then `output_tokens` - 1 steps together, as
/// benchmarks of fixed batches run.
struct StaticBatch {
  Seconds first_token;
  Seconds latency;                 ///< until the last token
  double first_token_error = 0.0;  ///< relative, of the prices
  double latency_error = 0.0;      //
};

[[nodiscard]] StaticBatch static_batch(const ServedModel& served,
                                       const Workload& workload,
                                       std::int64_t batch,
                                       const PriceList& prices);

}  // namespace forerun
