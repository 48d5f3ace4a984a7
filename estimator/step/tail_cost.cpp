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
  met += other.met;
  return *this;
}

Cover cover_of(const ChunkPass& pass) {
  return {pass.total(), pass.cost.mix, pass.cost.met};
}

Seconds TailCost::total() const {
  return tensor_parallel + data_parallel + optimizer + contention + offload;
}

Price tail_price(Pricing& pricing,
                 const KernelKey& key,
                 const std::optional<TailOffload>& offload) {
  if (key.op != KernelOp::adamw || !offload || !offload->updates_on_host) {
    return pricing.of(key);
  }
  const HostLink& link = offload->link;
  return {minimum_traffic(key) / link.stream, Tier::datasheet, link.relative_error};
}

namespace {

PricedTailItem priced_item(Pricing& pricing,
                           const WorkItem& item,
                           const std::optional<TailOffload>& offload) {
  PricedTailItem one;
  one.part = item.part;
  if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
    one.is_kernel = true;
    one.is_update = kernel->key.op == KernelOp::adamw;
    one.price = tail_price(pricing, kernel->key, offload);
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
  const StateShards shards = state_shards(job);
  const std::int64_t side_by_side = std::max(
      {layout.context, job.model.moe ? layout.expert : 1, shards.weights, shards.gradients});
  const std::int64_t of_one = layout.tensor * layout.context;
  return {micro_batches_per_chunk(job), layout.tensor * side_by_side, of_one, of_one * layout.data};
}

namespace {

// What all wait for the slowest, less what those who met on the way have waited already.
Seconds wait_of_all(const Pricing& pricing,
                    const Replicas& replicas,
                    const Cover& forward,
                    const Cover& backward) {
  const auto count = static_cast<double>(replicas.micro_batches);
  const Seconds computed = count * (total_of(forward.mix) + total_of(backward.mix));
  const Seconds met = count * (forward.met + backward.met);
  if (computed <= Seconds()) {
    return {};
  }
  const Seconds before = (met / computed) * pricing.wait(computed, replicas.met);
  return std::max(Seconds(), pricing.wait(computed, replicas.all) - before);
}

}  // namespace

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
  const Seconds wait = wait_of_all(pricing, priced.replicas, forward, backward);
  (priced.replicas.all > priced.replicas.of_one ? tail.data_parallel : tail.tensor_parallel) +=
      wait;
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
