#include "estimator/step/chunk_cost.hpp"

#include <algorithm>

#include "estimator/step/memory.hpp"
#include "estimator/step/pipeline_schedule.hpp"

namespace forerun {
namespace {

// One communication stream beside one compute stream, for one pass. The weights of a part are
// gathered while the part before it computes (FSDP's prefetch), ahead of the reduction of that
// part's gradients; ring all-gather and reduce-scatter both send and receive, so they share the
// stream (modelling.md 2.5).
class TwoStreams {
 public:
  // Of what computes next.
  void gather(Seconds time) {
    wire_free_ = std::max(wire_free_, compute_started_) + time;
    gathered_ = time > Seconds() ? wire_free_ : Seconds();
  }

  void compute(Seconds time) {
    compute_started_ = std::max(compute_free_, gathered_);
    compute_free_ = compute_started_ + time;
  }

  // Of what has just computed.
  void reduce(Seconds time) {
    if (time > Seconds()) {
      wire_free_ = std::max(wire_free_, compute_free_) + time;
    }
  }

  [[nodiscard]] Seconds end() const { return std::max(compute_free_, wire_free_); }

 private:
  Seconds wire_free_;
  Seconds gathered_;
  Seconds compute_started_;
  Seconds compute_free_;
};

}  // namespace

ChunkPass& ChunkPass::operator+=(const ChunkPass& other) {
  cost += other.cost;
  data_parallel += other.data_parallel;
  host += other.host;
  offload += other.offload;
  return *this;
}

ChunkPass operator*(double count, ChunkPass pass) {
  pass.cost = count * pass.cost;
  pass.data_parallel *= count;
  pass.host *= count;
  pass.offload *= count;
  return pass;
}

ChunkCosts::ChunkCosts(const Job& job, PartWorks& works, Pricing& pricing, HostCost host)
    : job_(job), works_(works), pricing_(pricing), host_(host) {}

const ChunkCosts::PricedPart& ChunkCosts::part(PartKind kind, std::int64_t layer) {
  const bool is_layer = kind == PartKind::layer || kind == PartKind::recomputed_layer;
  if (!is_layer) {
    return priced(kind, layer);
  }
  auto& known = by_layer_.at(kind == PartKind::layer ? 0 : 1);
  const auto at = static_cast<std::size_t>(layer);
  known.resize(std::max(known.size(), at + 1), nullptr);
  if (known[at] == nullptr) {
    known[at] = &priced(kind, layer);
  }
  return *known[at];
}

const ChunkCosts::PricedPart& ChunkCosts::priced(PartKind kind, std::int64_t layer) {
  const PartKey key = part_key(job_.model, kind, layer);
  const auto found = parts_.find(key);
  if (found != parts_.end()) {
    return found->second;
  }
  const PartWork& work = works_.of(kind, layer);
  PricedPart priced{pricing_.part(work), {}};
  const bool is_layer = kind == PartKind::layer || kind == PartKind::recomputed_layer;
  if (is_layer && job_.recipe.offload.any()) {
    priced.traffic = layer_traffic(job_, layer, kept_bytes(work));
  }
  return parts_.emplace(key, priced).first->second;
}

ChunkPass ChunkCosts::pass(const std::vector<Run>& runs, const Direction& direction) const {
  ChunkPass pass;
  Seconds collectives;
  for (const Run& run : runs) {
    const PassCost& cost = run.part->cost.*direction.cost;
    pass.cost += static_cast<double>(run.count) * cost;
    collectives += static_cast<double>(run.count) * (cost.gather + cost.reduce);
  }
  const bool exchanges = collectives > Seconds();
  finish(pass, collectives, exchanges ? elapsed(runs, direction) : Seconds());
  if (job_.recipe.offload.any()) {
    add_transfers(pass, runs, direction);
  }
  return pass;
}

// With all collectives beside computation.
Seconds ChunkCosts::elapsed(const std::vector<Run>& runs, const Direction& direction) {
  TwoStreams streams;
  streams.gather((runs.front().part->cost.*direction.cost).gather);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const PassCost& cost = runs[i].part->cost.*direction.cost;
    for (std::int64_t left = runs[i].count; left > 0; --left) {
      streams.compute(cost.total());
      if (left > 1) {
        streams.gather(cost.gather);
      } else if (i + 1 < runs.size()) {
        streams.gather((runs[i + 1].part->cost.*direction.cost).gather);
      }
      streams.reduce(cost.reduce);
    }
  }
  return streams.end();
}

PassTraffic ChunkCosts::traffic_of(const PartTraffic& part, const Direction& direction) const {
  if (direction.is_forward) {
    return part.forward;
  }
  PassTraffic traffic = direction.brings ? part.backward : PassTraffic();
  if (direction.reduces_gradients) {
    traffic.out += part.gradients;
    traffic.in += (1.0 - 1.0 / static_cast<double>(micro_batches(job_))) * part.gradients;
  }
  return traffic;
}

// The link moves on while the device waits for something else.
void ChunkCosts::add_transfers(ChunkPass& pass,
                               const std::vector<Run>& runs,
                               const Direction& direction) const {
  HostTransfers transfers(host_.link);
  for (const Run& run : runs) {
    transfers.add(traffic_of(run.part->traffic, direction),
                  (run.part->cost.*direction.cost).total(),
                  run.count);
  }
  pass.offload = pricing_.overlap() == Overlap::off
                     ? transfers.alone()
                     : std::max(Seconds(), transfers.exposed() - pass.data_parallel - pass.host);
  pass.cost.priced.add({pass.offload, Tier::datasheet, host_.link.relative_error}, pass.offload);
}

void ChunkCosts::finish(ChunkPass& pass, Seconds collectives, Seconds elapsed) const {
  const Seconds alone = pass.cost.total();
  if (pricing_.overlap() == Overlap::off) {
    pass.data_parallel = collectives;
  } else if (collectives > Seconds()) {
    // What finds computation beside it, when neither slows the other.
    pass.data_parallel = std::max(Seconds(), elapsed - alone);
    const double hidden = std::max(0.0, 1.0 - pass.data_parallel / collectives);
    const auto hide = [&](Seconds time, Collective op, std::int64_t bytes) {
      const Beside split = beside(hidden * time,
                                  alone * (time / collectives),
                                  pricing_.speed_beside(pass.cost.mix, op, bytes));
      pass.data_parallel += split.exposed;
      pass.cost.contention += split.contention;
    };
    const PassCost cost = pass.cost;
    hide(cost.gather, Collective::all_gather, cost.gathered_bytes);
    hide(cost.reduce, Collective::reduce_scatter, cost.reduced_bytes);
  }
  if (collectives > Seconds()) {
    pass.cost.priced += (pass.data_parallel / collectives) * pass.cost.sharding;
  }
  const Seconds launches = pass.cost.launches * host_.per_launch;
  const Seconds covered = host_.waits ? Seconds() : pass.cost.total() + pass.data_parallel;
  pass.host = std::max(Seconds(), launches - covered);
}

ChunkCost ChunkCosts::chunk(const ChunkContent& content) {
  std::vector<Run> runs;
  for (const PartRun& run : parts_of(job_, content)) {
    // Neighbours that are alike join one run.
    for (std::int64_t i = 0; i < run.count; ++i) {
      const PricedPart* priced = &part(run.kind, run.first_layer + i);
      if (!runs.empty() && runs.back().part == priced) {
        ++runs.back().count;
      } else {
        runs.push_back({priced, 1});
      }
    }
  }
  const ChunkPass forward = pass(runs, {&PartCost::forward, true, false, false});
  std::ranges::reverse(runs);
  if (!splits_backward(schedule_of(job_))) {
    return {forward, pass(runs, {&PartCost::backward, false, true, true}), {}};
  }
  ChunkCost cost{forward,
                 pass(runs, {&PartCost::backward_input, false, true, false}),
                 pass(runs, {&PartCost::backward_weight, false, false, true})};
  cost.backward += cost.backward_weight;
  return cost;
}

}  // namespace forerun
