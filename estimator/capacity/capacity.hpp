// How many tokens per second, copies and human-equivalents a cluster serves a model with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "estimator/capacity/serving_point.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// continuous: every replica takes prompts and decodes. disaggregated: some replicas take prompts,
/// the others decode.
enum class Serving { continuous, disaggregated };

/// How fast a person thinks in words, as the yardstick: 380 words a minute of inner speech and 4/3
/// tokens a word (Steinhardt 2023, "What will GPT-2030 look like?").
struct Person {
  double words_per_minute = 380.0;
  double tokens_per_word = 4.0 / 3.0;

  [[nodiscard]] double tokens_per_s() const { return words_per_minute * tokens_per_word / 60.0; }
};

struct CapacityRequest {
  ModelShape model;
  ServingFormat format;
  Workload workload;
  Serving serving = Serving::continuous;
  std::optional<Speculation> speculation;
  ServingSoftware software;
  std::int64_t devices = 1;
  /// Those that are tried; none: every servable one.
  std::vector<ServingLayout> layouts;
  std::optional<std::int64_t> batch;  ///< sequences a replica; else the best
  Person person;
  /// Utilisation that the count by FLOP ratio takes serving to reach. 0.375: the median of 58
  /// training runs with one in Epoch AI's database, snapshot of 2025-05-19.
  double training_mfu = 0.375;
};

/// Replicas of a pool.
struct Pool {
  ServingPoint point;
  std::int64_t replicas = 0;
};

/// Copies as the training budget counts them: machines at `mfu`, 2 N FLOP a token.
struct FlopCount {
  double human_equivalents = 0.0;
  double tokens_per_s = 0.0;
  double utilisation = 0.0;  ///< 2 N tokens/s of what is really served over the devices' peak
  double ratio = 0.0;        ///< by FLOP over by decode
};

struct Capacity {
  CapacityRequest request;
  Pool decode;                  ///< continuous: all replicas
  std::optional<Pool> prefill;  ///< disaggregated only
  double tokens_per_s = 0.0;    ///< generated, all replicas
  Seconds ttft;
  double copies = 0.0;  ///< sequences decoded at once
  double human_equivalents = 0.0;
  double active_parameters = 0.0;
  FlopCount by_flop;
  std::optional<double> usd_per_million_tokens;
  std::optional<double> watts_per_copy;
  std::vector<ServingPoint> pareto;  ///< most tokens/s a device first, then faster for each user
  std::int64_t considered = 0;       ///< points priced
  std::optional<std::string> infeasible_because;  ///< then the rest describes the nearest choice
  std::vector<std::string> notes;
};

/// The choice with most tokens per second among those that fit in memory and meet the latencies;
/// else, with `infeasible_because`, the one that comes nearest: least memory above what there is,
/// or least latency above the limit. Throws InputError where a layout cannot split the model, and
/// where something has no price.
[[nodiscard]] Capacity serve(const CapacityRequest& request,
                             const Cluster& cluster,
                             const PriceList& prices);

}  // namespace forerun
