// Layers with experts: router, copies of tokens, the experts' products (modelling.md 1.2). How the
// copies travel: expert_exchange_work.cpp; shared experts: shared_expert_work.cpp.
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
