// What follows the last backward pass of a stage, and what of it the passes hide.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "estimator/step/chunk_cost.hpp"
#include "estimator/step/offload.hpp"
#include "estimator/step/work_list.hpp"

namespace forerun {

struct TailCost {
  Seconds tensor_parallel;
  Seconds data_parallel;  ///< exposed
  Seconds optimizer;
  Seconds contention;  ///< passes slowed by the reductions under them
  Seconds offload;     ///< the device waits for the host link
  Flops flops;         ///< that the kernels execute
  PricedTime priced;

  [[nodiscard]] Seconds total() const;
};

/// An item of a tail with its price: what is left to know is what it hides under. The host's cores
/// update at the rate at which they stream what the device's kernel would move.
struct PricedTailItem {
  Part part = Part::optimizer;
  Price price;
  Flops flops;
  bool is_kernel = false;
  bool is_update = false;  ///< of weights
  bool gathers = false;    ///< weights, under the next forward pass; else gradients, under backward
  bool hides = false;      ///< the software runs it beside passes
  CollectiveKey key;       ///< of a collective
};

/// Ranks that meet when a step's gradients are reduced.
struct Replicas {
  std::int64_t micro_batches = 1;  ///< that each has run by then
  std::int64_t met = 1;            ///< the most that meet within a micro-batch
  std::int64_t of_one = 1;         ///< of one replica
  std::int64_t all = 1;
};

[[nodiscard]] Replicas replicas_of(const Job& job);

/// A tail's items and what it moves to and from the host.
struct PricedTail {
  std::vector<PricedTailItem> items;
  std::int64_t parameters = 0;  ///< of the stage: how many buckets they make
  Replicas replicas = {};
  std::optional<TailOffload> offload = std::nullopt;
};

/// A kernel's price, or where its update runs on the host that of the host's cores, which stream
/// what the device's kernel would move.
[[nodiscard]] Price tail_price(Pricing& pricing,
                               const KernelKey& key,
                               const std::optional<TailOffload>& offload);

[[nodiscard]] inline Price tail_price(Pricing& pricing,
                                      const CollectiveKey& key,
                                      const std::optional<TailOffload>& /*offload*/) {
  return pricing.of(key);
}

[[nodiscard]] PricedTail priced_tail(Pricing& pricing,
                                     const std::vector<WorkItem>& items,
                                     std::int64_t parameters,
                                     const Replicas& replicas,
                                     const std::optional<TailOffload>& offload = std::nullopt);

/// What the reductions and gathers of a tail run beside: all passes of one micro-batch through the
/// stage in one direction.
struct Cover {
  Seconds time;
  ComputeMix mix;
  Seconds met;  ///< of the computation, after which ranks have met

  Cover& operator+=(const Cover& other);
};

[[nodiscard]] Cover cover_of(const ChunkPass& pass);

[[nodiscard]] TailCost tail_cost(const Pricing& pricing,
                                 const PricedTail& priced,
                                 const Cover& forward,
                                 const Cover& backward);

}  // namespace forerun
