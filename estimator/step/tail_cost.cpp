#include "estimator/step/tail_cost.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernel_cost.hpp"

namespace forerun {
namespace {

// A data-parallel collective that runs bucket by bucket beside `cover`: the first (or last) bucket
// never hides. Megatron's default bucket is max(40e6, 1e6 n) parameters (modelling.md 2.5).
Beside bucketed(const Pricing& pricing,
                const CollectiveKey& key,
                Seconds time,
                const Cover& cover,
                double parameters) {
  const auto ranks = static_cast<double>(key.group.ranks);
  const double buckets = std::max(1.0, std::ceil(parameters / std::max(40e6, 1e6 * ranks)));
  const Seconds first = time / buckets;
  const auto bytes = static_cast<std::int64_t>(static_cast<double>(key.bytes) / buckets);
  const Beside rest = beside(time - first,
                             cover.time * ((buckets - 1.0) / buckets),
                             pricing.speed_beside(cover.mix, key.op, bytes));
  return {first + rest.exposed, rest.contention};
}

}  // namespace

Cover& Cover::operator+=(const Cover& other) {
  time += other.time;
  mix += other.mix;
  return *this;
}

Cover cover_of(const ChunkPass& pass) {
  return {pass.total(), pass.cost.mix};
}

Seconds TailCost::total() const {
  return tensor_parallel + data_parallel + optimizer + contention;
}

std::vector<PricedTailItem> priced_tail(Pricing& pricing, const std::vector<WorkItem>& items) {
  std::vector<PricedTailItem> priced;
  priced.reserve(items.size());
  for (const WorkItem& item : items) {
    PricedTailItem one;
    one.part = item.part;
    if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
      one.is_kernel = true;
      one.price = pricing.of(kernel->key);
      one.flops = hardware_flops(kernel->key);
    } else {
      const auto& collective = std::get<CollectiveWork>(item.work);
      const Software& software = pricing.software();
      one.price = pricing.of(collective.key);
      one.gathers = collective.key.op == Collective::all_gather;
      const bool is_data_parallel =
          collective.group == GroupKind::data_context || collective.group == GroupKind::expert_data;
      one.hides =
          pricing.overlap() == Overlap::on && is_data_parallel &&
          (one.gathers ? software.overlaps_parameter_gather : software.overlaps_gradient_reduce);
      one.key = collective.key;
    }
    priced.push_back(one);
  }
  return priced;
}

TailCost tail_cost(const Pricing& pricing,
                   std::span<const PricedTailItem> items,
                   std::int64_t parameters,
                   const Cover& forward,
                   const Cover& backward) {
  TailCost tail;
  for (const PricedTailItem& item : items) {
    const Price& price = item.price;
    if (item.is_kernel) {
      tail.optimizer += price.time;
      tail.flops += item.flops;
      tail.priced.add(price, price.time);
      continue;
    }
    Beside split{price.time, Seconds()};
    if (item.hides) {
      split = bucketed(pricing,
                       item.key,
                       price.time,
                       item.gathers ? forward : backward,
                       static_cast<double>(parameters));
    }
    switch (item.part) {
      case Part::tensor_parallel:
        tail.tensor_parallel += split.exposed;
        break;
      case Part::optimizer:
        tail.optimizer += split.exposed;
        break;
      default:
        tail.data_parallel += split.exposed;
    }
    tail.contention += split.contention;
    tail.priced.add(price, split.exposed);
  }
  return tail;
}

TailCost tail_cost(Pricing& pricing,
                   const std::vector<WorkItem>& items,
                   std::int64_t parameters,
                   const Cover& forward,
                   const Cover& backward) {
  return tail_cost(pricing, priced_tail(pricing, items), parameters, forward, backward);
}

}  // namespace forerun
