#include "estimator/step/part_cost.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

#include "estimator/step/backward_split.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {

void PricedTime::add(const Price& price, Seconds time) {
  const double added = time.in(unit::second);
  seconds[static_cast<std::size_t>(price.tier)] += added;
  uncertain_seconds += added * price.relative_error;
}

PricedTime& PricedTime::operator+=(const PricedTime& other) {
  for (std::size_t tier = 0; tier < seconds.size(); ++tier) {
    seconds[tier] += other.seconds[tier];
  }
  uncertain_seconds += other.uncertain_seconds;
  return *this;
}

PricedTime operator*(double count, PricedTime time) {
  for (double& seconds : time.seconds) {
    seconds *= count;
  }
  time.uncertain_seconds *= count;
  return time;
}

Seconds PassCost::total() const {
  return compute + recompute + communication() + contention;
}

PassCost& PassCost::operator+=(const PassCost& other) {
  compute += other.compute;
  accumulation += other.accumulation;
  recompute += other.recompute;
  tensor_parallel += other.tensor_parallel;
  context_parallel += other.context_parallel;
  expert_parallel += other.expert_parallel;
  wire += other.wire;
  contention += other.contention;
  gather += other.gather;
  reduce += other.reduce;
  launches += other.launches;
  flops += other.flops;
  mix += other.mix;
  met += other.met;
  gathered_bytes = std::max(gathered_bytes, other.gathered_bytes);
  reduced_bytes = std::max(reduced_bytes, other.reduced_bytes);
  priced += other.priced;
  sharding += other.sharding;
  return *this;
}

PassCost operator*(double count, PassCost pass) {
  pass.compute *= count;
  pass.accumulation *= count;
  pass.recompute *= count;
  pass.tensor_parallel *= count;
  pass.context_parallel *= count;
  pass.expert_parallel *= count;
  pass.wire *= count;
  pass.contention *= count;
  pass.gather *= count;
  pass.reduce *= count;
  pass.launches *= count;
  pass.flops *= count;
  pass.mix = count * pass.mix;
  pass.met *= count;
  pass.priced = count * pass.priced;
  pass.sharding = count * pass.sharding;
  return pass;
}

namespace {

// What a product of one expert takes at least where each is started by itself: least mean relative
// error of the 36 forward rows of TransformerEngine's general_grouped_gemm on a B200
// (MooreThreads/SimuMax, b200_bf16_ceperm.json: 128 to 9,832 rows an expert), 26 % without and 9.5
// % with it. A matter of hosts and streams, so of any GPU.
constexpr Seconds each_expert = 8.5 * unit::microsecond;

// One after the other where they are short, together what the device takes where they are long.
Seconds started_one_by_one(Seconds together, const GroupedGemmShape& shape) {
  const double floor = static_cast<double>(shape.groups) * (each_expert / together);
  return std::hypot(1.0, floor) * together;
}

}  // namespace

const Price& Pricing::of(const KernelKey& key) {
  if (const auto found = kernels_.find(key); found != kernels_.end()) {
    return found->second;
  }
  const bool is_attention =
      key.op == KernelOp::attention_forward || key.op == KernelOp::attention_backward;
  Price price = is_attention && prices_.attention ? prices_.attention(key, software_.attention)
                                                  : prices_.kernel(key);
  const auto* const experts = std::get_if<GroupedGemmShape>(&key.shape);
  // A weight gradient's own traffic keeps the device as busy as its launches keep the host.
  const bool waits_for_launches = experts != nullptr && experts->layout != GemmLayout::tn;
  if (waits_for_launches && software_.launches_each_expert && price.tier >= Tier::fitted) {
    price.time = started_one_by_one(price.time, *experts);
  }
  return kernels_.emplace(key, price).first->second;
}

const Price& Pricing::of(const CollectiveKey& key) {
  const auto found = collectives_.find(key);
  return found != collectives_.end()
             ? found->second
             : collectives_.emplace(key, prices_.collective(key)).first->second;
}

void Pricing::add_kernel(const WorkItem& item, const KernelKey& key, PassCost& cost) {
  const Price& price = of(key);
  (item.part == Part::recompute ? cost.recompute : cost.compute) += price.time;
  if (item.skips_first) {
    cost.accumulation += price.time;
  }
  cost.flops += hardware_flops(key);
  cost.mix.of(overlap_compute_of(key.op)) += price.time;
  cost.priced.add(price, price.time);
}

namespace {

Seconds& exchange_of(Part part, PassCost& cost) {
  switch (part) {
    case Part::recompute:
      return cost.recompute;
    case Part::context_parallel:
      return cost.context_parallel;
    case Part::expert_parallel:
      return cost.expert_parallel;
    default:
      return cost.tensor_parallel;
  }
}

}  // namespace

void Pricing::add_collective(const WorkItem& item, const CollectiveWork& work, PassCost& cost) {
  const Price& price = of(work.key);
  cost.wire += price.time;
  if (item.part == Part::data_parallel) {
    const bool gathers = work.key.op == Collective::all_gather;
    (gathers ? cost.gather : cost.reduce) += price.time;
    std::int64_t& largest = gathers ? cost.gathered_bytes : cost.reduced_bytes;
    largest = std::max(largest, work.key.bytes);
    cost.sharding.add(price, price.time);
    return;
  }
  Beside split{price.time, Seconds()};
  // A ring sends while it works, whatever the tensor group does.
  const bool overlaps = software_.overlaps_tensor_backward || item.part == Part::context_parallel;
  if (overlap_ == Overlap::on && overlaps && work.hides_under) {
    const Seconds cover = of(*work.hides_under).time;
    ComputeMix mix;
    mix.of(overlap_compute_of(work.hides_under->op)) = cover;
    split = beside(price.time, cover, speed_beside(mix, work.key.op, work.key.bytes));
  }
  exchange_of(item.part, cost) += split.exposed;
  cost.contention += split.contention;
  cost.priced.add(price, split.exposed);
}

Seconds Pricing::wait(Seconds work, std::int64_t ranks) const {
  return prices_.wait && ranks > 1 && work > Seconds() ? prices_.wait(work, ranks) * work
                                                       : Seconds();
}

void Pricing::add_wait(const WorkItem& item, Seconds work, PassCost& cost) const {
  const CollectiveKey& key = std::get<CollectiveWork>(item.work).key;
  const Seconds time = wait(work, key.group.ranks);
  cost.met += work;
  if (item.part == Part::data_parallel) {
    (key.op == Collective::all_gather ? cost.gather : cost.reduce) += time;
    cost.sharding.add({time, Tier::measured, wait_error}, time);
  } else {
    exchange_of(item.part, cost) += time;
    cost.priced.add({time, Tier::measured, wait_error}, time);
  }
}

// At each collective its ranks wait for the slowest, after what they have computed since the last.
// What follows the last of a part's belongs to the first of the next part, which is like it; of a
// part without any nobody has waited yet.
PassCost Pricing::waits_of(const std::vector<WorkItem>& items) {
  PassCost cost;
  if (!prices_.wait) {
    return cost;
  }
  const WorkItem* first = nullptr;
  Seconds head;
  Seconds since;
  for (const WorkItem& item : items) {
    if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
      since += of(kernel->key).time;
      continue;
    }
    if (std::get<CollectiveWork>(item.work).key.group.ranks <= 1) {
      continue;
    }
    if (first == nullptr) {
      first = &item;
      head = since;
    } else {
      add_wait(item, since, cost);
    }
    since = Seconds();
  }
  if (first != nullptr) {
    add_wait(*first, head + since, cost);
  }
  return cost;
}

void Pricing::add(const WorkItem& item, PassCost& cost) {
  cost.launches += 1.0;
  if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
    add_kernel(item, kernel->key, cost);
  } else {
    add_collective(item, std::get<CollectiveWork>(item.work), cost);
  }
}

namespace {

bool reduces_gradients(const WorkItem& item) {
  const auto* const collective = std::get_if<CollectiveWork>(&item.work);
  return collective != nullptr && item.part == Part::data_parallel &&
         collective->key.op != Collective::all_gather;
}

// A part of its own runs when the kernels of the other have gone: what hid under one of those
// hides under the next of its own, as far as there is one.
WorkItem in_weight_part(const std::vector<WorkItem>& items,
                        const std::vector<bool>& is_weight_part,
                        std::size_t at) {
  WorkItem item = items[at];
  auto* const collective = std::get_if<CollectiveWork>(&item.work);
  if (collective == nullptr || !collective->hides_under) {
    return item;
  }
  collective->hides_under.reset();
  for (std::size_t later = at + 1; later < items.size(); ++later) {
    const auto* const kernel = std::get_if<KernelWork>(&items[later].work);
    if (is_weight_part[later] && kernel != nullptr) {
      collective->hides_under = kernel->key;
      break;
    }
  }
  return item;
}

}  // namespace

PartCost Pricing::part(const PartWork& work) {
  PartCost cost;
  for (const WorkItem& item : work.forward) {
    add(item, cost.forward);
  }
  cost.forward += waits_of(work.forward);
  // Of a backward pass in two parts, those of gradients' reductions lie in the second.
  PassCost waits = waits_of(work.backward);
  cost.backward += waits;
  cost.backward_weight.reduce += waits.reduce;
  waits.reduce = Seconds();
  cost.backward_input += waits;
  const auto is_weight_part = weight_part_of(work.backward);
  for (std::size_t i = 0; i < work.backward.size(); ++i) {
    const WorkItem& item = work.backward[i];
    add(item, cost.backward);
    if (is_weight_part[i]) {
      add(in_weight_part(work.backward, is_weight_part, i), cost.backward_weight);
    } else {
      add(item, reduces_gradients(item) ? cost.backward_weight : cost.backward_input);
    }
  }
  return cost;
}

}  // namespace forerun
