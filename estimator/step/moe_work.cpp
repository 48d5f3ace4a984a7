// Layers with experts: router, exchange of tokens over the expert group, the experts' products,
// shared experts beside them (modelling.md 1.2 and 2.4).
#include <algorithm>
#include <cmath>
#include <utility>

#include "estimator/step/expert_load.hpp"
#include "estimator/step/work_builder.hpp"

namespace forerun {

KernelKey WorkBuilder::router_key(KernelOp op) const {
  const DataType type = op == KernelOp::expert_sort ? DataType::int32 : DataType::fp32;
  return {op, type, RouterShape{size_.row_tokens, job_.model.moe->experts, job_.model.moe->top_k}};
}

KernelKey WorkBuilder::permute_key(KernelOp op) const {
  return {
      op, type_, PermuteShape{size_.row_tokens, job_.model.moe->top_k, expert_width(job_.model)}};
}

// One copy of each row: from the order of senders to that of experts, or back.
KernelKey WorkBuilder::arrival_key(KernelOp op) const {
  return {op, type_, PermuteShape{experts_.rows, 1, expert_width(job_.model)}};
}

WorkItem WorkBuilder::routed(Part part, KernelKey key, std::vector<TensorId> operands) {
  return {part, KernelWork{key, std::move(operands)}, {}, false, true};
}

WorkBuilder::Linear WorkBuilder::router_linear(std::int64_t layer) const {
  return {TensorName::w_router,
          TensorName::norm2,
          TensorName::router_logits,
          layer,
          layer,
          size_.hidden,
          job_.model.moe->experts,
          size_.row_tokens};
}

WorkBuilder::Linear WorkBuilder::latent_in_linear(std::int64_t layer) const {
  return {TensorName::w_expert_latent_in,
          TensorName::norm2,
          TensorName::expert_latent,
          layer,
          layer,
          size_.hidden,
          job_.model.moe->latent,
          size_.row_tokens};
}

WorkBuilder::Linear WorkBuilder::latent_out_linear(std::int64_t layer) const {
  return {TensorName::w_expert_latent_out,
          TensorName::routed_latent,
          experts_.shared_ffn > 0 ? TensorName::routed : TensorName::down,
          layer,
          layer,
          job_.model.moe->latent,
          size_.hidden,
          size_.row_tokens};
}

TensorId WorkBuilder::expert_source(std::int64_t layer) const {
  return {has_expert_latent() ? TensorName::expert_latent : TensorName::norm2, layer};
}

TensorId WorkBuilder::expert_sum(std::int64_t layer) const {
  const TensorName whole = experts_.shared_ffn > 0 ? TensorName::routed : TensorName::down;
  return {has_expert_latent() ? TensorName::routed_latent : whole, layer};
}

WorkBuilder::Linear WorkBuilder::shared_up_linear(std::int64_t layer) const {
  return {TensorName::w_shared_up,
          sequence_parallel() ? TensorName::norm2_full : TensorName::norm2,
          TensorName::shared_up,
          layer,
          layer,
          size_.hidden,
          up_factor(job_.model) * experts_.shared_ffn};
}

WorkBuilder::Linear WorkBuilder::shared_down_linear(std::int64_t layer) const {
  return {TensorName::w_shared_down,
          TensorName::shared_activated,
          sequence_parallel() ? TensorName::shared_down_full : TensorName::shared_down,
          layer,
          layer,
          experts_.shared_ffn,
          size_.hidden};
}

WorkBuilder::Grouped WorkBuilder::expert_up(std::int64_t layer) const {
  return {{TensorName::w_expert_up, layer},
          {expert_order() == ExpertOrder::on_arrival ? TensorName::expert_input
                                                     : arrived(TensorName::permuted),
           layer},
          {TensorName::expert_up, layer},
          expert_width(job_.model),
          up_factor(job_.model) * experts_.ffn};
}

WorkBuilder::Grouped WorkBuilder::expert_down(std::int64_t layer) const {
  return {{TensorName::w_expert_down, layer},
          {TensorName::expert_activated, layer},
          {TensorName::expert_output, layer},
          experts_.ffn,
          expert_width(job_.model)};
}

// With one expert a rank and senders in order, what arrives is sorted already; so is what nobody
// exchanges.
WorkBuilder::ExpertOrder WorkBuilder::expert_order() const {
  if (!exchanges_tokens()) {
    return ExpertOrder::as_permuted;
  }
  return experts_.held > 1 || parts_that_exchange() > 1 ? ExpertOrder::on_arrival
                                                        : ExpertOrder::as_dispatched;
}

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

TensorName WorkBuilder::arrived(TensorName permuted) const {
  return exchanges_tokens() ? TensorName::dispatched : permuted;
}

// Where each expert's rows end among those that are here.
TensorId WorkBuilder::ends_here(std::int64_t layer) const {
  return {exchanges_tokens() ? TensorName::arrived_ends : TensorName::expert_ends, layer};
}

KernelKey WorkBuilder::grouped_key(const Grouped& grouped, GemmLayout layout) const {
  const bool accumulates = layout == GemmLayout::tn && fuses_accumulation();
  DataType type = type_;
  if (has_fp8_copy(job_.recipe, grouped.weight)) {
    type = layout == GemmLayout::nt ? DataType::fp8_e4m3 : DataType::fp8_e5m2;
  }
  return {KernelOp::grouped_gemm,
          type,
          GroupedGemmShape{experts_.held,
                           experts_.rows,
                           experts_.largest,
                           grouped.out,
                           grouped.in,
                           layout,
                           accumulates ? GemmOutput::accumulate_fp32 : GemmOutput::store}};
}

void WorkBuilder::grouped_forward(std::vector<WorkItem>& items,
                                  const Grouped& grouped,
                                  std::int64_t layer,
                                  Part part) const {
  TensorId input = grouped.input;
  TensorId weight = grouped.weight;
  if (has_fp8_copy(job_.recipe, weight)) {
    items.push_back(cast_to_fp8(part, input, DataType::fp8_e4m3, experts_.rows, grouped.in));
    items.back().is_routed = true;
    input.form = weight.form = TensorForm::fp8;
  }
  items.push_back(routed(part,
                         grouped_key(grouped, GemmLayout::nt),
                         {input, weight, ends_here(layer), grouped.output}));
}

void WorkBuilder::grouped_backward(std::vector<WorkItem>& items,
                                   const Grouped& grouped,
                                   std::int64_t layer,
                                   TensorId to) const {
  const TensorId gradient = gradient_of(grouped.output);
  const TensorId ends = ends_here(layer);
  const bool casts = has_fp8_copy(job_.recipe, grouped.weight);
  const auto form = [&](TensorId id, TensorForm wanted) {
    id.form = casts ? wanted : TensorForm::plain;
    return id;
  };
  if (casts) {
    items.push_back(
        cast_to_fp8(Part::compute, gradient, DataType::fp8_e5m2, experts_.rows, grouped.out));
    items.back().is_routed = true;
  }
  items.push_back(routed(Part::compute,
                         grouped_key(grouped, GemmLayout::nn),
                         {form(gradient, TensorForm::fp8),
                          form(grouped.weight, TensorForm::fp8_transposed),
                          ends,
                          to}));
  const TensorId update{TensorName::weight_update, layer, true};
  const TensorId weight = gradient_of(grouped.weight);
  items.push_back(routed(Part::compute,
                         grouped_key(grouped, GemmLayout::tn),
                         {form(gradient, TensorForm::fp8_transposed),
                          form(grouped.input, TensorForm::fp8_transposed),
                          ends,
                          fuses_accumulation() ? weight : update}));
  accumulate_update(items, update, weight, experts_.held * grouped.out, grouped.in);
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

// Logits in the training format, compared in fp32 (Megatron-Core, moe-router-dtype fp32).
void WorkBuilder::route_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const {
  const TensorId logits{TensorName::router_logits, layer};
  const TensorId scores{TensorName::router_scores, layer};
  const TensorId chosen{TensorName::chosen, layer};
  const std::int64_t count = size_.row_tokens * job_.model.moe->experts;
  linear_forward(items, router_linear(layer), part);
  if (type_ != DataType::fp32) {
    items.push_back(
        {part, KernelWork{{KernelOp::widen, type_, FlatShape{count}}, {logits, scores}}, {}});
  }
  items.push_back(
      {part,
       KernelWork{
           router_key(KernelOp::router_forward),
           {type_ == DataType::fp32 ? logits : scores, {TensorName::route_weights, layer}, chosen}},
       {}});
  items.push_back(
      {part,
       KernelWork{router_key(KernelOp::expert_sort),
                  {chosen, {TensorName::expert_ends, layer}, {TensorName::row_of, layer}}},
       {}});
  if (exchanges_tokens()) {
    share_ends(items, layer, part == Part::recompute ? Part::recompute : Part::expert_parallel);
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

void WorkBuilder::expert_activation_forward(std::vector<WorkItem>& items,
                                            std::int64_t layer,
                                            Part part) const {
  items.push_back(routed(part,
                         rows_key(activation_op(true), experts_.rows, experts_.ffn),
                         {{TensorName::expert_up, layer}, {TensorName::expert_activated, layer}}));
}

void WorkBuilder::experts_forward(std::vector<WorkItem>& items,
                                  std::int64_t layer,
                                  Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::expert_parallel;
  const TensorId permuted{TensorName::permuted, layer};
  const TensorId row_of{TensorName::row_of, layer};
  const TensorId output{TensorName::expert_output, layer};
  const Grouped up = expert_up(layer);
  const Grouped down = expert_down(layer);

  route_forward(items, layer, part);
  if (has_expert_latent()) {
    linear_forward(items, latent_in_linear(layer), part);
  }
  items.push_back(
      {part,
       KernelWork{permute_key(KernelOp::permute_forward), {expert_source(layer), row_of, permuted}},
       {}});
  if (exchanges_tokens()) {
    dispatch(items, permuted, {TensorName::dispatched, layer}, exchange);
  }
  if (expert_order() == ExpertOrder::on_arrival) {
    items.push_back(routed(part,
                           arrival_key(KernelOp::permute_forward),
                           {{TensorName::dispatched, layer},
                            {TensorName::arrived_row_of, layer},
                            {TensorName::expert_input, layer}}));
  }
  grouped_forward(items, up, layer, part);
  expert_activation_forward(items, layer, part);
  grouped_forward(items, down, layer, part);
  TensorId returning = output;
  if (expert_order() == ExpertOrder::on_arrival) {
    returning = {TensorName::returning, layer};
    items.push_back(routed(part,
                           arrival_key(KernelOp::permute_backward),
                           {output, {TensorName::arrived_row_of, layer}, returning}));
  }
  if (exchanges_tokens()) {
    give_back(items, returning, {TensorName::combined, layer}, exchange);
  }
  const TensorId sum = expert_sum(layer);
  items.push_back({part,
                   KernelWork{permute_key(KernelOp::unpermute_forward),
                              {combined(layer), row_of, {TensorName::route_weights, layer}, sum}},
                   {}});
  const Part reduces = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  sum_parts(items, sum, expert_width(job_.model), type_, reduces);
  if (has_expert_latent()) {
    linear_forward(items, latent_out_linear(layer), part);
  }
  if (experts_.shared_ffn > 0) {
    shared_forward(items, layer, part);
  }
}

TensorId WorkBuilder::combined(std::int64_t layer) const {
  return {exchanges_tokens() ? TensorName::combined : TensorName::expert_output, layer};
}

void WorkBuilder::shared_forward(std::vector<WorkItem>& items,
                                 std::int64_t layer,
                                 Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::tensor_parallel;
  const TensorId down{TensorName::shared_down, layer};
  gather(items, {TensorName::norm2, layer}, {TensorName::norm2_full, layer}, exchange);
  linear_forward(items, shared_up_linear(layer), part);
  items.push_back(
      {part,
       KernelWork{rows_key(activation_op(true), size_.tokens, experts_.shared_ffn),
                  {{TensorName::shared_up, layer}, {TensorName::shared_activated, layer}}},
       {}});
  linear_forward(items, shared_down_linear(layer), part);
  reduce(items, {TensorName::shared_down_full, layer}, down, exchange);
  TensorId added = down;
  if (job_.model.moe->shared_gate) {
    added = {TensorName::shared_gated, layer};
    linear_forward(items, shared_gate_linear(layer), part);
    items.push_back(
        {part,
         KernelWork{rows_key(KernelOp::row_gate_forward, size_.row_tokens, size_.hidden),
                    {down, {TensorName::shared_gate_logits, layer}, added}},
         {}});
  }
  items.push_back({part,
                   KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden),
                              {{TensorName::routed, layer}, added, {TensorName::down, layer}}},
                   {}});
}

// The gradient of what the gate scales; that of norm2 joins the others later.
TensorId WorkBuilder::shared_gate_backward(std::vector<WorkItem>& items,
                                           std::int64_t layer,
                                           TensorId arriving) const {
  const TensorId down{TensorName::shared_down, layer};
  const TensorId logits{TensorName::shared_gate_logits, layer};
  items.push_back({Part::compute,
                   KernelWork{rows_key(KernelOp::row_gate_backward, size_.row_tokens, size_.hidden),
                              {down, logits, arriving, gradient_of(down), gradient_of(logits)}},
                   {}});
  linear_dgrad(items,
               shared_gate_linear(layer),
               gradient_of(logits),
               gradient_of({TensorName::norm2_of_gate, layer}));
  linear_wgrad(items, shared_gate_linear(layer), gradient_of(logits));
  return gradient_of(down);
}

void WorkBuilder::shared_backward(std::vector<WorkItem>& items,
                                  std::int64_t layer,
                                  TensorId arriving) const {
  if (job_.model.moe->shared_gate) {
    arriving = shared_gate_backward(items, layer, arriving);
  }
  const TensorId full = gradient_of({TensorName::shared_down_full, layer});
  const TensorId up = gradient_of({TensorName::shared_up, layer});
  const TensorId activated = gradient_of({TensorName::shared_activated, layer});
  gather(items, arriving, full, Part::tensor_parallel);
  linear_dgrad(items, shared_down_linear(layer), gathered(arriving, full), activated);
  linear_wgrad(items, shared_down_linear(layer), gathered(arriving, full));
  items.push_back({Part::compute,
                   KernelWork{rows_key(activation_op(false), size_.tokens, experts_.shared_ffn),
                              {{TensorName::shared_up, layer}, activated, up}},
                   {}});
  input_gradient(items,
                 shared_up_linear(layer),
                 {.input = {TensorName::norm2, layer},
                  .input_full = {TensorName::norm2_full, layer},
                  .gradient = up,
                  .to = gradient_of({TensorName::norm2_of_shared, layer}),
                  .to_full = gradient_of({TensorName::norm2_of_shared_full, layer})});
}

// From the gradient of the routed sum to that of the permuted copies.
void WorkBuilder::routed_backward(std::vector<WorkItem>& items,
                                  std::int64_t layer,
                                  TensorId arriving) const {
  const TensorId row_of{TensorName::row_of, layer};
  const TensorId arrived_row_of{TensorName::arrived_row_of, layer};
  const TensorId weights{TensorName::route_weights, layer};
  const TensorId output = gradient_of({TensorName::expert_output, layer});
  const TensorId permuted = gradient_of({TensorName::permuted, layer});
  const Grouped up = expert_up(layer);
  const Grouped down = expert_down(layer);
  items.push_back({Part::compute,
                   KernelWork{permute_key(KernelOp::unpermute_backward),
                              {combined(layer),
                               row_of,
                               weights,
                               arriving,
                               gradient_of(combined(layer)),
                               gradient_of(weights)}},
                   {}});
  const bool sorts = expert_order() == ExpertOrder::on_arrival;
  if (exchanges_tokens()) {
    const TensorId returning = gradient_of({TensorName::returning, layer});
    dispatch(
        items, gradient_of(combined(layer)), sorts ? returning : output, Part::expert_parallel);
    if (sorts) {
      items.push_back(routed(Part::compute,
                             arrival_key(KernelOp::permute_forward),
                             {returning, arrived_row_of, output}));
    }
  }
  grouped_backward(items, down, layer, gradient_of(down.input));
  items.push_back(
      routed(Part::compute,
             rows_key(activation_op(false), experts_.rows, experts_.ffn),
             {{TensorName::expert_up, layer}, gradient_of(down.input), gradient_of(up.output)}));
  grouped_backward(items, up, layer, gradient_of(up.input));
  if (exchanges_tokens()) {
    TensorId from = gradient_of(up.input);
    if (sorts) {
      from = gradient_of({TensorName::dispatched, layer});
      items.push_back(routed(Part::compute,
                             arrival_key(KernelOp::permute_backward),
                             {gradient_of(up.input), arrived_row_of, from}));
    }
    give_back(items, from, permuted, Part::expert_parallel);
  }
}

// Gradients of the choices' weights back through the softmax over the chosen ones.
void WorkBuilder::route_backward(std::vector<WorkItem>& items,
                                 std::int64_t layer,
                                 TensorId to) const {
  const TensorId weights{TensorName::route_weights, layer};
  const TensorId logits = gradient_of({TensorName::router_logits, layer});
  const TensorId scores = gradient_of({TensorName::router_scores, layer});
  const bool narrows = type_ != DataType::fp32;
  items.push_back(
      {Part::compute,
       KernelWork{
           router_key(KernelOp::router_backward),
           {{TensorName::chosen, layer}, weights, gradient_of(weights), narrows ? scores : logits}},
       {}});
  if (narrows) {
    const std::int64_t count = size_.row_tokens * job_.model.moe->experts;
    items.push_back({Part::compute,
                     KernelWork{{KernelOp::narrow, type_, FlatShape{count}}, {scores, logits}},
                     {}});
  }
  linear_dgrad(items, router_linear(layer), logits, to);
  linear_wgrad(items, router_linear(layer), logits);
}

void WorkBuilder::experts_backward(std::vector<WorkItem>& items,
                                   std::int64_t layer,
                                   TensorId arriving,
                                   TensorId to) const {
  const TensorId of_router{TensorName::norm2_of_router, layer, true};
  const auto add_to = [&](TensorId part) {
    items.push_back(
        {Part::compute,
         KernelWork{rows_key(KernelOp::add, size_.row_tokens, size_.hidden), {to, part, to}},
         {}});
  };
  if (recomputes(&RecomputeModules::expert_activation)) {
    expert_activation_forward(items, layer, Part::recompute);
  }
  TensorId of_sum = arriving;
  TensorId of_source = to;
  if (has_expert_latent()) {
    of_sum = gradient_of(expert_sum(layer));
    of_source = gradient_of(expert_source(layer));
    linear_dgrad(items, latent_out_linear(layer), arriving, of_sum);
    linear_wgrad(items, latent_out_linear(layer), arriving);
  }
  routed_backward(items, layer, of_sum);
  items.push_back(
      {Part::compute,
       KernelWork{
           permute_key(KernelOp::permute_backward),
           {gradient_of({TensorName::permuted, layer}), {TensorName::row_of, layer}, of_source}},
       {}});
  sum_parts(items, of_source, expert_width(job_.model), type_, Part::tensor_parallel);
  if (has_expert_latent()) {
    linear_dgrad(items, latent_in_linear(layer), of_source, to);
    linear_wgrad(items, latent_in_linear(layer), of_source);
  }
  sum_parts(items,
            gradient_of({TensorName::route_weights, layer}),
            job_.model.moe->top_k,
            DataType::fp32,
            Part::tensor_parallel);
  route_backward(items, layer, of_router);
  add_to(of_router);
  if (experts_.shared_ffn > 0) {
    shared_backward(items, layer, arriving);
    add_to({TensorName::norm2_of_shared, layer, true});
    if (job_.model.moe->shared_gate) {
      add_to({TensorName::norm2_of_gate, layer, true});
    }
  }
}

}  // namespace forerun
