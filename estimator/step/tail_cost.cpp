#include "estimator/step/tail_cost.hpp"

#include <algorithm>

#include "estimator/step/gradient_buckets.hpp"
#include "estimator/step/stage_weights.hpp"
#include "jobs/chunk_placement.hpp"
#include "kernels/kernel_cost.hpp"

namespace forerun {
namespace {

// A data-parallel collective that runs bucket by bucket beside `cover`: the first (or last) bucket
// never hides.
Beside bucketed(const Pricing& pricing,
                const CollectiveKey& key,
                Seconds time,
                const Cover& cover,
                double parameters) {
  const double buckets = bucket_count(parameters, key.group.ranks);
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
  return tensor_parallel + data_parallel + optimizer + contention + offload;
}

namespace {

Price on_host(const KernelKey& update, const HostLink& link) {
  return {minimum_traffic(update) / link.stream, Tier::datasheet, link.relative_error};
}

PricedTailItem priced_item(Pricing& pricing,
                           const WorkItem& item,
                           const std::optional<TailOffload>& offload) {
  PricedTailItem one;
  one.part = item.part;
  if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
    one.is_kernel = true;
    one.is_update = kernel->key.op == KernelOp::adamw;
    const bool leaves = one.is_update && offload && offload->updates_on_host;
    one.price = leaves ? on_host(kernel->key, offload->link) : pricing.of(kernel->key);
    one.flops = hardware_flops(kernel->key);
    return one;
  }
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
  return one;
}

// What the device waits: for gradients that the last backward pass does not cover, for state that
// the update's kernels do not, and for weights.
Seconds exposed(const TailOffload& tail,
                Overlap overlap,
                std::int64_t parameters,
                Seconds update,
                Seconds backward) {
  const auto takes = [&](Bytes bytes) { return bytes / tail.link.rate; };
  const Seconds weights = takes(tail.weights_in) + takes(tail.weights_out);
  if (overlap == Overlap::off) {
    return takes(tail.gradients) + takes(tail.state_in) + takes(tail.state_out) + weights;
  }
  Seconds gradients = takes(tail.gradients);
  if (tail.gradients_hide) {
    const double buckets = bucket_count(static_cast<double>(parameters), 1);
    const Seconds first = gradients / buckets;
    const Seconds cover = backward * ((buckets - 1.0) / buckets);
    gradients = first + std::max(Seconds(), gradients - first - cover);
  }
  const Seconds state = takes(std::max(tail.state_in, tail.state_out));
  return gradients + std::max(Seconds(), state - update) + weights;
}

}  // namespace

Replicas replicas_of(const Job& job) {
  const ParallelLayout& layout = job.layout;
  const std::int64_t of_one = layout.tensor * layout.context;
  const std::int64_t all = of_one * layout.data;
  const StateShards shards = state_shards(job);
  const bool meet_always = shards.weights > 1 || shards.gradients > 1;
  return {micro_batches_per_chunk(job), meet_always ? all : of_one, all};
}

PricedTail priced_tail(Pricing& pricing,
                       const std::vector<WorkItem>& items,
                       std::int64_t parameters,
                       const Replicas& replicas,
                       const std::optional<TailOffload>& offload) {
  PricedTail tail{{}, parameters, replicas, offload};
  tail.items.reserve(items.size());
  for (const WorkItem& item : items) {
    tail.items.push_back(priced_item(pricing, item, offload));
  }
  return tail;
}

TailCost tail_cost(const Pricing& pricing,
                   const PricedTail& priced,
                   const Cover& forward,
                   const Cover& backward) {
  TailCost tail;
  Seconds update;
  for (const PricedTailItem& item : priced.items) {
    const Price& price = item.price;
    if (item.is_kernel) {
      tail.optimizer += price.time;
      update += item.is_update ? price.time : Seconds();
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
                       static_cast<double>(priced.parameters));
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
  const Replicas& replicas = priced.replicas;
  const Seconds computed = static_cast<double>(replicas.micro_batches) *
                           (total_of(forward.mix) + total_of(backward.mix));
  const Seconds wait = pricing.wait(computed, replicas.all, replicas.met);
  tail.data_parallel += wait;
  tail.priced.add({wait, Tier::measured, wait_error}, wait);
  if (priced.offload) {
    tail.offload =
        exposed(*priced.offload, pricing.overlap(), priced.parameters, update, backward.time);
    tail.priced.add({tail.offload, Tier::datasheet, priced.offload->link.relative_error},
                    tail.offload);
  }
  return tail;
}

}  // namespace forerun
