// Tokens to the ranks that hold their experts and back (modelling.md 2.4): plain, by node, and over
// the ranks that hold parts of the same experts.
#include <algorithm>
#include <cmath>

#include "estimator/step/expert_load.hpp"
#include "estimator/step/work_builder.hpp"

namespace forerun {

// Without sequence parallelism they see the same tokens, and have nothing to exchange.
std::int64_t WorkBuilder::parts_that_exchange() const {
  return tensor_parallel() && !sequence_parallel() ? 1 : job_.layout.expert_tensor;
}

bool WorkBuilder::exchanges_tokens() const {
  return job_.layout.expert > 1 || parts_that_exchange() > 1;
}

// What the parts of an expert on ranks that see the same tokens have computed, added up.
void WorkBuilder::sum_parts(std::vector<WorkItem>& items,
                            TensorId id,
                            std::int64_t columns,
                            DataType type,
                            Part part) const {
  if (tensor_parallel() && !sequence_parallel()) {
    items.push_back(grid_collective(
        part,
        {Collective::all_reduce, bytes_of(size_.row_tokens * columns, type), type, {}},
        GroupKind::tensor,
        id,
        id));
  }
}

bool WorkBuilder::exchanges_by_node() const {
  const GroupShape group = grid_.shape(GroupKind::expert, ranks_per_node_);
  return job_.recipe.expert_dispatch.kind != DispatchKind::plain && job_.layout.expert > 1 &&
         group.ranks_per_node < group.ranks && group.ranks % group.ranks_per_node == 0;
}

// One copy of a token for each node that has an expert of its, between ranks of one place on their
// nodes; then one for each such rank, within the node (modelling.md 2.4). The most loaded rank gets
// more by the share that it works on.
void WorkBuilder::exchange_by_node(
    std::vector<WorkItem>& items, TensorId from, TensorId to, Part part, bool gives_back) const {
  const MixtureOfExperts& moe = *job_.model.moe;
  const GroupShape group = grid_.shape(GroupKind::expert, ranks_per_node_);
  const std::int64_t nodes = group.ranks / group.ranks_per_node;
  const ExpertDispatch& kind = job_.recipe.expert_dispatch;
  const std::int64_t reached =
      kind.kind == DispatchKind::node_limited ? std::min(kind.nodes, nodes) : nodes;
  const std::int64_t candidates = moe.experts / nodes * reached;
  const double load =
      static_cast<double>(experts_.rows) / static_cast<double>(size_.row_tokens * moe.top_k);
  const auto phase = [&](double copies, GroupShape ranks) {
    const auto rows = static_cast<std::int64_t>(
        std::llround(copies * load * static_cast<double>(size_.row_tokens)));
    items.push_back({part,
                     CollectiveWork{{Collective::all_to_all,
                                     bytes_of(rows * expert_width(job_.model), type_),
                                     type_,
                                     ranks},
                                    GroupKind::expert,
                                    ReduceOp::sum,
                                    from,
                                    to,
                                    {},
                                    gives_back},
                     {},
                     false,
                     true});
  };
  const GroupShape between{nodes, 1, group.ranks_per_node * group.concurrent};
  const GroupShape within{group.ranks_per_node, group.ranks_per_node, group.concurrent};
  phase(distinct_places(reached, candidates, moe.top_k), between);
  if (group.ranks_per_node > 1) {
    phase(distinct_places(reached * group.ranks_per_node, candidates, moe.top_k), within);
  }
}

// Rows to the ranks that hold their experts; with parts of experts on several ranks, each of them
// works on the rows of all.
void WorkBuilder::dispatch(std::vector<WorkItem>& items,
                           TensorId from,
                           TensorId to,
                           Part part) const {
  const std::int64_t parts = parts_that_exchange();
  const std::int64_t all = bytes_of(experts_.rows * expert_width(job_.model), type_);
  const TensorId shard{TensorName::dispatched_part, to.layer, to.gradient};
  const TensorId received = parts > 1 ? shard : to;
  if (exchanges_by_node()) {
    exchange_by_node(items, from, to, part, false);
    return;
  }
  if (job_.layout.expert > 1) {
    items.push_back(grid_collective(
        part, {Collective::all_to_all, all / parts, type_, {}}, GroupKind::expert, from, received));
    items.back().is_routed = true;
  }
  if (parts > 1) {
    items.push_back(grid_collective(part,
                                    {Collective::all_gather, all, type_, {}},
                                    GroupKind::expert_tensor,
                                    job_.layout.expert > 1 ? shard : from,
                                    to));
    items.back().is_routed = true;
  }
}

// And the way back: partial results of an expert's parts are summed.
void WorkBuilder::give_back(std::vector<WorkItem>& items,
                            TensorId from,
                            TensorId to,
                            Part part) const {
  const std::int64_t parts = parts_that_exchange();
  const std::int64_t all = bytes_of(experts_.rows * expert_width(job_.model), type_);
  const TensorId shard{TensorName::returning_part, to.layer, to.gradient};
  if (exchanges_by_node()) {
    exchange_by_node(items, from, to, part, true);
    return;
  }
  if (parts > 1) {
    items.push_back(grid_collective(part,
                                    {Collective::reduce_scatter, all, type_, {}},
                                    GroupKind::expert_tensor,
                                    from,
                                    job_.layout.expert > 1 ? shard : to));
    items.back().is_routed = true;
  }
  if (job_.layout.expert > 1) {
    items.push_back(grid_collective(part,
                                    {Collective::all_to_all, all / parts, type_, {}},
                                    GroupKind::expert,
                                    parts > 1 ? shard : from,
                                    to));
    items.back().is_routed = true;
    std::get<CollectiveWork>(items.back().work).gives_back = true;
  }
}

// Every rank learns how many rows it gets from whom.
void WorkBuilder::share_ends(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  std::int64_t bytes = 4 * job_.model.moe->experts;
  TensorId ends{TensorName::expert_ends, layer};
  const auto share = [&](GroupKind group, std::int64_t ranks, TensorName name) {
    if (ranks == 1) {
      return;
    }
    bytes *= ranks;
    const TensorId all{name, layer};
    items.push_back(grid_collective(
        part, {Collective::all_gather, bytes, DataType::int32, {}}, group, ends, all));
    ends = all;
  };
  share(GroupKind::expert, job_.layout.expert, TensorName::all_ends);
  share(GroupKind::expert_tensor, parts_that_exchange(), TensorName::ends_of_parts);
}

}  // namespace forerun
