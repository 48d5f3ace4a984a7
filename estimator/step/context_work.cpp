// Attention over a sequence that lies on several ranks: a ring of keys and values, keys and values
// gathered, or heads exchanged for tokens (modelling.md 2.2).
#include <algorithm>
#include <utility>

#include "estimator/step/work_builder.hpp"

namespace forerun {
namespace {

// What attention over a rank's own tokens reads: one packed tensor, or three.
std::vector<TensorId> attention_inputs(const KernelKey& key, std::int64_t layer) {
  if (is_packed(std::get<AttentionKeyShape>(key.shape))) {
    return {{TensorName::qkv, layer}};
  }
  return {{TensorName::latent_query, layer},
          {TensorName::latent_keys, layer},
          {TensorName::latent_values, layer}};
}

}  // namespace

std::int64_t WorkBuilder::value_head_size() const {
  return job_.model.latent ? job_.model.latent->value_head_size : size_.head_size;
}

// What is kept of queries, keys and values for the backward pass.
TensorId WorkBuilder::kept_keys(std::int64_t layer) const {
  return {job_.model.latent ? TensorName::latent_keys : TensorName::qkv, layer};
}

void WorkBuilder::own_attention_forward(std::vector<WorkItem>& items,
                                        const KernelKey& key,
                                        std::int64_t layer,
                                        Part part) {
  std::vector<TensorId> operands = attention_inputs(key, layer);
  operands.insert(operands.end(),
                  {{TensorName::attended, layer}, {TensorName::log_sum_exp, layer}});
  items.push_back({part, KernelWork{key, std::move(operands)}, {}});
}

void WorkBuilder::own_attention_backward(std::vector<WorkItem>& items,
                                         const KernelKey& key,
                                         std::int64_t layer) {
  std::vector<TensorId> operands = attention_inputs(key, layer);
  const std::vector<TensorId> inputs = operands;
  operands.insert(operands.end(),
                  {{TensorName::attended, layer},
                   {TensorName::log_sum_exp, layer},
                   gradient_of({TensorName::attended, layer})});
  for (const TensorId input : inputs) {
    operands.push_back(gradient_of(input));
  }
  items.push_back({Part::compute, KernelWork{key, std::move(operands)}, {}});
}

std::int64_t WorkBuilder::local_sequence() const {
  return job_.recipe.sequence / job_.layout.context;
}

// Keys and values of this rank's tokens.
std::int64_t WorkBuilder::key_value_elements() const {
  return size_.tokens * size_.kv_heads * (size_.head_size + value_head_size());
}

// Heads are exchanged for tokens within `heads` ranks, keys travel in a ring of `ring` ranks.
WorkBuilder::ContextRanks WorkBuilder::context_ranks() const {
  const std::int64_t all = job_.layout.context;
  switch (job_.recipe.context_kind) {
    case ContextKind::ulysses:
      return {all, 1};
    case ContextKind::hierarchical: {
      const GroupShape group = grid_.shape(GroupKind::context, ranks_per_node_);
      const std::int64_t together = all % group.ranks_per_node == 0 ? group.ranks_per_node : 1;
      return {together, all / together};
    }
    case ContextKind::ring:
    case ContextKind::all_gather:
      break;
  }
  return {1, all};
}

KernelKey WorkBuilder::context_key(KernelOp op, std::int64_t layer, ContextPiece piece) const {
  KernelKey key = attention_key(op, layer);
  auto& shape = std::get<AttentionKeyShape>(key.shape);
  const std::int64_t shared = context_ranks().heads;
  if (shared > 1) {
    shape.length = local_sequence() * shared;
    shape.heads = size_.heads / shared;
    shape.kv_heads = std::max<std::int64_t>(1, size_.kv_heads / shared);
  }
  const std::int64_t half = shape.length / 2;
  switch (piece) {
    case ContextPiece::own:
      break;
    case ContextPiece::foreign:  // all queries and half of the keys, or half and all
      shape.mask = Mask::full;
      shape.keys = half;
      shape.window = 0;
      break;
    case ContextPiece::early:
    case ContextPiece::late:
      // The pieces of every rank see as many keys together; these lie in the middle.
      shape.length = half;
      shape.keys = job_.recipe.sequence;
      shape.offset =
          (piece == ContextPiece::early ? job_.layout.context - 1 : job_.layout.context) * half;
      break;
  }
  return key;
}

void WorkBuilder::context_kernel(std::vector<WorkItem>& items,
                                 const KernelKey& key,
                                 std::int64_t layer,
                                 Part part) {
  using enum TensorName;
  const auto& shape = std::get<AttentionKeyShape>(key.shape);
  const bool is_backward = key.op == KernelOp::attention_backward;
  const auto id = [&](TensorName name) { return TensorId{name, layer, is_backward}; };
  std::vector<TensorId> operands{id(context_query), id(context_keys), id(context_values)};
  if (is_packed(shape)) {
    operands = {id(context_query)};
  }
  operands.insert(operands.end(), {id(context_attended), id(context_lse)});
  if (is_backward) {
    operands.push_back(id(context_attended_gradient));
    if (is_packed(shape)) {
      operands.push_back(id(context_query_gradient));
    } else {
      operands.insert(
          operands.end(),
          {id(context_query_gradient), id(context_key_gradient), id(context_value_gradient)});
    }
  }
  items.push_back({part, KernelWork{key, std::move(operands)}, {}});
}

WorkItem WorkBuilder::context_collective(
    Part part, Collective op, std::int64_t elements, TensorId from, TensorName to) const {
  WorkItem item = grid_collective(part,
                                  {op, bytes_of(elements, type_), type_, {}},
                                  GroupKind::context,
                                  from,
                                  {to, from.layer, true});
  GroupShape& group = std::get<CollectiveWork>(item.work).key.group;
  const ContextRanks ranks = context_ranks();
  if (op == Collective::send_recv) {
    // Neighbours of the ring; somewhere it leaves the node if the group does.
    const bool stays = group.ranks_per_node >= group.ranks;
    group = {2, stays ? 2 : 1, group.concurrent * (stays ? 1 : ranks.heads)};
  } else if (op == Collective::all_to_all && ranks.ring > 1) {
    group = {ranks.heads, ranks.heads, group.concurrent};
  }
  return item;
}

// Each step's keys and values travel while those of the step before are worked on.
void WorkBuilder::ring_pass(std::vector<WorkItem>& items,
                            std::int64_t layer,
                            Part part,
                            Part exchange,
                            bool is_backward) const {
  const KernelOp op = is_backward ? KernelOp::attention_backward : KernelOp::attention_forward;
  const ContextRanks ranks = context_ranks();
  const std::int64_t steps = ranks.ring - 1;
  // With heads exchanged, a rank's keys are those of more tokens and fewer heads.
  const std::int64_t kv_heads = std::max(size_.kv_heads, ranks.heads);
  const std::int64_t elements = key_value_elements() / size_.kv_heads * kv_heads;
  const KernelKey own = context_key(op, layer, ContextPiece::own);
  const KernelKey foreign = context_key(op, layer, ContextPiece::foreign);
  const TensorId own_keys = kept_keys(layer);
  const TensorId sum{TensorName::context_key_gradient, layer, true};
  const auto send = [&](TensorId from, TensorName to, const KernelKey& under) {
    items.push_back(context_collective(exchange, Collective::send_recv, elements, from, to));
    std::get<CollectiveWork>(items.back().work).hides_under = under;
  };
  for (std::int64_t step = 0; step < steps; ++step) {
    send(own_keys, TensorName::context_keys, step == 0 ? own : foreign);
    if (is_backward) {
      send(sum, TensorName::context_key_gradient, foreign);
    }
    context_kernel(items, foreign, layer, part);
  }
  if (is_backward && steps > 0) {  // the last one's gradients go home
    items.push_back(context_collective(
        exchange, Collective::send_recv, elements, sum, TensorName::context_key_gradient));
  }
}

void WorkBuilder::context_core_forward(std::vector<WorkItem>& items,
                                       std::int64_t layer,
                                       Part part) const {
  const Part exchange = part == Part::recompute ? Part::recompute : Part::context_parallel;
  const std::int64_t context = job_.layout.context;
  const KernelOp op = KernelOp::attention_forward;
  switch (job_.recipe.context_kind) {
    case ContextKind::ring:
      own_attention_forward(items, context_key(op, layer, ContextPiece::own), layer, part);
      ring_pass(items, layer, part, exchange, false);
      break;
    case ContextKind::all_gather:
      items.push_back(context_collective(exchange,
                                         Collective::all_gather,
                                         context * key_value_elements(),
                                         kept_keys(layer),
                                         TensorName::context_keys));
      context_kernel(items, context_key(op, layer, ContextPiece::early), layer, part);
      context_kernel(items, context_key(op, layer, ContextPiece::late), layer, part);
      break;
    case ContextKind::ulysses:
    case ContextKind::hierarchical:
      exchange_heads(items, layer, exchange);
      own_attention_forward(items, context_key(op, layer, ContextPiece::own), layer, part);
      ring_pass(items, layer, part, exchange, false);
      exchange_outputs(items, layer, exchange);
      break;
  }
}

void WorkBuilder::exchange_heads(std::vector<WorkItem>& items,
                                 std::int64_t layer,
                                 Part exchange) const {
  const std::int64_t kv_heads = std::max(size_.kv_heads, context_ranks().heads);
  const std::int64_t width =
      size_.heads * size_.head_size + kv_heads * (size_.head_size + value_head_size());
  items.push_back(context_collective(exchange,
                                     Collective::all_to_all,
                                     size_.tokens * width,
                                     kept_keys(layer),
                                     TensorName::context_query));
}

void WorkBuilder::exchange_outputs(std::vector<WorkItem>& items,
                                   std::int64_t layer,
                                   Part exchange) const {
  items.push_back(context_collective(exchange,
                                     Collective::all_to_all,
                                     size_.tokens * size_.heads * value_head_size(),
                                     {TensorName::attended, layer},
                                     TensorName::context_attended));
}

void WorkBuilder::context_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const {
  const Part exchange = Part::context_parallel;
  const std::int64_t whole = job_.layout.context * key_value_elements();
  const KernelOp op = KernelOp::attention_backward;
  switch (job_.recipe.context_kind) {
    case ContextKind::ring:
      own_attention_backward(items, context_key(op, layer, ContextPiece::own), layer);
      ring_pass(items, layer, Part::compute, exchange, true);
      break;
    case ContextKind::all_gather:
      items.push_back(context_collective(
          exchange, Collective::all_gather, whole, kept_keys(layer), TensorName::context_keys));
      context_kernel(items, context_key(op, layer, ContextPiece::early), layer, Part::compute);
      context_kernel(items, context_key(op, layer, ContextPiece::late), layer, Part::compute);
      items.push_back(context_collective(exchange,
                                         Collective::reduce_scatter,
                                         whole,
                                         {TensorName::context_key_gradient, layer, true},
                                         TensorName::context_key_gradient));
      break;
    case ContextKind::ulysses:
    case ContextKind::hierarchical:
      exchange_outputs(items, layer, exchange);
      own_attention_backward(items, context_key(op, layer, ContextPiece::own), layer);
      ring_pass(items, layer, Part::compute, exchange, true);
      exchange_heads(items, layer, exchange);
      break;
  }
}

}  // namespace forerun
