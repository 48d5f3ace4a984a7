#include "estimator/step/chunk_cost.hpp"

#include <algorithm>

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
  return *this;
}

ChunkPass operator*(double count, ChunkPass pass) {
  pass.cost = count * pass.cost;
  pass.data_parallel *= count;
  pass.host *= count;
  return pass;
}

ChunkCosts::ChunkCosts(const Job& job, const Placement& placement, Pricing& pricing, HostCost host)
    : job_(job), builder_(job, placement), pricing_(pricing), host_(host) {}

const PartCost& ChunkCosts::part(PartKind kind, std::int64_t layer) {
  const PartKey key = part_key(job_.model, kind, layer);
  const auto found = parts_.find(key);
  if (found != parts_.end()) {
    return found->second;
  }
  return parts_.emplace(key, pricing_.part(part_work(job_, builder_, kind, layer))).first->second;
}

ChunkPass ChunkCosts::pass(const std::vector<Run>& runs, PassCost PartCost::*direction) const {
  ChunkPass pass;
  TwoStreams streams;
  Seconds collectives;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const PassCost& cost = runs[i].cost->*direction;
    pass.cost += static_cast<double>(runs[i].count) * cost;
    collectives += static_cast<double>(runs[i].count) * (cost.gather + cost.reduce);
    if (i == 0) {
      streams.gather(cost.gather);
    }
    for (std::int64_t left = runs[i].count; left > 0; --left) {
      streams.compute(cost.total());
      if (left > 1) {
        streams.gather(cost.gather);
      } else if (i + 1 < runs.size()) {
        streams.gather((runs[i + 1].cost->*direction).gather);
      }
      streams.reduce(cost.reduce);
    }
  }
  finish(pass, collectives, streams.end());
  return pass;
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
  pass.host = std::max(Seconds(), launches - pass.cost.total() - pass.data_parallel);
}

ChunkCost ChunkCosts::chunk(ChunkLayers layers, bool holds_embedding, bool holds_head) {
  std::vector<Run> runs;
  for (const PartRun& run : parts_of(job_, layers, holds_embedding, holds_head)) {
    // Neighbours that are alike join one run.
    for (std::int64_t i = 0; i < run.count; ++i) {
      const PartCost* cost = &part(run.kind, run.first_layer + i);
      if (!runs.empty() && runs.back().cost == cost) {
        ++runs.back().count;
      } else {
        runs.push_back({cost, 1});
      }
    }
  }
  const ChunkPass forward = pass(runs, &PartCost::forward);
  std::ranges::reverse(runs);
  if (!splits_backward(schedule_of(job_))) {
    return {forward, pass(runs, &PartCost::backward), {}};
  }
  ChunkCost cost{
      forward, pass(runs, &PartCost::backward_input), pass(runs, &PartCost::backward_weight)};
  cost.backward += cost.backward_weight;
  return cost;
}

}  // namespace forerun
