#include "estimator/step/stage_weights.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "estimator/step/adapters.hpp"
#include "estimator/step/weight_specs.hpp"
#include "units/integer.hpp"

namespace forerun {

bool is_of_expert(const WeightSpec& spec) {
  return spec.split == Split::expert_rows || spec.split == Split::expert_gated_rows ||
         spec.split == Split::expert_columns;
}

namespace {

constexpr std::int64_t alignment = 16;  // elements: 64 bytes of fp32, what vector units like

// Norms of heads, then everything else that tensor ranks hold alike, then the shards, then experts.
int reduction_order(const WeightSpec& spec) {
  if (is_of_expert(spec)) {
    return 3;
  }
  if (spec.id.form == TensorForm::adapter_in || spec.id.form == TensorForm::adapter_out) {
    return spec.split == Split::replicated ? 0 : 2;  // behind or before a split product
  }
  switch (spec.id.name) {
    case TensorName::w_q_norm:
    case TensorName::w_k_norm:
      return 0;
    case TensorName::w_gated_norm:  // of DeltaNet's heads
      return spec.split == Split::replicated ? 0 : 2;
    case TensorName::w_step_norm:
    case TensorName::w_input_norm:
    case TensorName::w_output_norm:
      return 2;  // behind a sum over the tensor group: every rank has the whole gradient
    default:
      break;
  }
  return spec.split == Split::replicated ? 1 : 2;
}

// Each rank holds one KV head: the last two head sizes of the rows of w_qkv and b_qkv.
void add_shared_rows(StageWeights& weights, const Job& job) {
  const std::int64_t kv_heads = job.model.attention.kv_heads;
  if (job.layout.tensor <= kv_heads || job.recipe.tuning != Tuning::full) {
    return;
  }
  for (const WeightSpec& spec : weights.specs) {
    if (spec.split != Split::qkv_rows) {
      continue;
    }
    const std::int64_t rows = 2 * job.model.attention.head_size;
    const std::int64_t elements = rows * spec.columns;
    weights.shared_rows.push_back({.layer = spec.id.layer,
                                   .is_bias = spec.id.name == TensorName::b_qkv,
                                   .offset = spec.offset + (spec.rows - rows) * spec.columns,
                                   .elements = elements,
                                   .exchange_offset = weights.exchange_elements});
    weights.exchange_elements += kv_heads * elements;
  }
}

}  // namespace

std::int64_t local_heads(const Job& job) {
  return job.model.attention.heads / job.layout.tensor;
}

std::int64_t local_kv_heads(const Job& job) {
  return std::max<std::int64_t>(1, job.model.attention.kv_heads / job.layout.tensor);
}

std::int64_t expert_replicas(const ParallelLayout& layout) {
  return layout.tensor * layout.context * layout.data / (layout.expert * layout.expert_tensor);
}

std::int64_t up_factor(const ModelShape& model) {
  return is_gated(model.activation) ? 2 : 1;
}

namespace {

// Counts what is not trained, and puts the adapters beside it.
void freeze(StageWeights& weights, const Job& job) {
  std::vector<WeightSpec> adapters;
  for (WeightSpec& spec : weights.specs) {
    spec.is_frozen = true;
    const std::int64_t count = spec.rows * spec.columns;
    if (is_quantized(job.recipe, spec)) {
      weights.quantized_elements += count;
      weights.largest_quantized = std::max(weights.largest_quantized, count);
    } else {
      (is_of_expert(spec) ? weights.frozen_expert_elements : weights.frozen_elements) +=
          rounded_up(count, alignment);
    }
    for (const AdapterPiece& piece : adapter_pieces(job, spec)) {
      std::ranges::move(adapter_weights(job, spec, piece), std::back_inserter(adapters));
    }
  }
  weights.frozen_elements =
      rounded_up(weights.frozen_elements, alignment * job.layout.data * job.layout.context);
  weights.frozen_expert_elements =
      rounded_up(weights.frozen_expert_elements, alignment * expert_replicas(job.layout));
  std::ranges::move(adapters, std::back_inserter(weights.specs));
}

// Four orders: a pass for each takes less than a sort.
std::vector<WeightSpec> in_reduction_order(std::vector<WeightSpec> specs) {
  constexpr int orders = 4;
  std::vector<int> order_of;
  order_of.reserve(specs.size());
  std::ranges::transform(specs, std::back_inserter(order_of), reduction_order);
  if (std::ranges::is_sorted(order_of)) {
    return specs;
  }
  std::vector<WeightSpec> sorted;
  sorted.reserve(specs.size());
  for (int order = 0; order < orders; ++order) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (order_of[i] == order) {
        sorted.push_back(std::move(specs[i]));
      }
    }
  }
  return sorted;
}

StageWeights placed(std::vector<WeightSpec> specs, const Job& job) {
  StageWeights weights;
  weights.specs = std::move(specs);
  if (job.recipe.tuning != Tuning::full) {
    freeze(weights, job);
  }
  weights.specs = in_reduction_order(std::move(weights.specs));
  const bool sums_all = job.recipe.sequence_parallel == SequenceParallel::on;
  for (WeightSpec& spec : weights.specs) {
    if (is_of_expert(spec) || spec.is_frozen) {
      continue;
    }
    spec.offset = weights.elements;
    weights.parameters += spec.rows * spec.columns;
    weights.elements += rounded_up(spec.rows * spec.columns, alignment);
    const int order = reduction_order(spec);
    if (job.layout.tensor > 1 && (order == 0 || (order == 1 && sums_all))) {
      weights.tensor_summed_elements = weights.elements;
    }
  }
  weights.elements = rounded_up(weights.elements, alignment * job.layout.data * job.layout.context);
  for (WeightSpec& spec : weights.specs) {
    if (is_of_expert(spec) && !spec.is_frozen) {
      spec.offset = weights.elements + weights.expert_elements;
      weights.expert_parameters += spec.rows * spec.columns;
      weights.expert_elements += rounded_up(spec.rows * spec.columns, alignment);
    }
  }
  weights.expert_elements =
      rounded_up(weights.expert_elements, alignment * expert_replicas(job.layout));
  add_shared_rows(weights, job);
  return weights;
}

}  // namespace

StageWeights stage_weights(const Job& job, std::int64_t stage) {
  return placed(stage_specs(job, stage), job);
}

StageWeights layer_weights(const Job& job, std::int64_t layer) {
  return placed(layer_specs(job, layer), job);
}

namespace {

StateShards shards_over(const Job& job, std::int64_t replicas) {
  const ZeroStage zero = job.recipe.zero;
  StateShards shards;
  switch (zero) {
    case ZeroStage::none:
      break;
    case ZeroStage::optimizer:
      shards.optimizer = replicas;
      break;
    case ZeroStage::gradients:
      shards.optimizer = replicas;
      shards.gradients = job.layout.pipeline > 1 ? 1 : replicas;
      break;
    case ZeroStage::parameters: {
      const std::int64_t group = job.recipe.shard_group;
      const std::int64_t ranks = group > 0 ? std::min(group, replicas) : replicas;
      shards = {ranks, ranks, ranks};
      break;
    }
  }
  return shards;
}

}  // namespace

StateShards state_shards(const Job& job) {
  return shards_over(job, job.layout.data * job.layout.context);
}

StateShards expert_state_shards(const Job& job) {
  return shards_over(job, expert_replicas(job.layout));
}

bool has_fp8_copy(const Recipe& recipe, TensorId weight) {
  return has_narrow_products(recipe.precision) && is_layer_matrix(weight);
}

std::int64_t narrow_elements(const Recipe& recipe, const StageWeights& weights, bool of_experts) {
  std::int64_t elements = 0;
  for (const WeightSpec& spec : weights.specs) {
    const bool is_narrow = recipe.fp8_param_gather && spec.rows > 1 && spec.columns > 1 &&
                           !spec.is_frozen && has_fp8_copy(recipe, spec.id);
    elements += is_narrow && is_of_expert(spec) == of_experts ? spec.rows * spec.columns : 0;
  }
  return elements;
}

bool is_quantized(const Recipe& recipe, const WeightSpec& spec) {
  const bool is_matrix = spec.rows > 1 && spec.columns > 1;
  return recipe.tuning == Tuning::qlora && is_matrix && spec.id.form == TensorForm::plain &&
         is_layer_matrix(spec.id);
}

bool is_layer_matrix(TensorId weight) {
  if (weight.layer < 0 || weight.form != TensorForm::plain) {
    return false;
  }
  switch (weight.name) {
    case TensorName::w_router:
    case TensorName::w_shared_gate:
    case TensorName::w_mixer_beta:
    case TensorName::w_conv:
    case TensorName::w_scan_inputs:
    case TensorName::w_step:
    case TensorName::w_decay:
      return false;
    default:
      return true;
  }
}

std::int64_t embedding_elements(const Job& job) {
  return padded_vocabulary(job.model.vocabulary, job.layout.tensor) / job.layout.tensor *
         job.model.hidden;
}

namespace {

// The rows of each expert held here, from its rows in the whole matrix; an up-projection's gate and
// up lie below each other.
std::vector<RowBlock> expert_blocks(const WeightSpec& spec,
                                    const Job& job,
                                    const WeightPart& part) {
  const std::int64_t held = job.model.moe->experts / job.layout.expert;
  const std::int64_t local = spec.rows / held;
  const std::int64_t halves = spec.split == Split::expert_gated_rows ? 2 : 1;
  const std::int64_t parts = spec.split == Split::expert_columns ? 1 : job.layout.expert_tensor;
  const std::int64_t run = local / halves;
  std::vector<RowBlock> blocks;
  for (std::int64_t i = 0; i < held * halves; ++i) {
    const std::int64_t first = part.expert * held * halves + i;
    const std::int64_t shift = parts > 1 ? part.expert_tensor * run : 0;
    blocks.push_back({i * run, first * run * parts + shift, run});
  }
  return blocks;
}

}  // namespace

ShardPlace shard_place(const WeightSpec& spec, const Job& job, const WeightPart& part) {
  const std::int64_t tensor_rank = part.tensor;
  const std::int64_t head = job.model.attention.head_size;
  ShardPlace place;
  place.global_columns = spec.columns;
  switch (spec.split) {
    case Split::replicated:
      place.rows = {{0, 0, spec.rows}};
      break;
    case Split::rows:
      place.rows = {{0, tensor_rank * spec.rows, spec.rows}};
      break;
    case Split::columns:
      place.rows = {{0, 0, spec.rows}};
      place.first_column = tensor_rank * spec.columns;
      place.global_columns = spec.columns * job.layout.tensor;
      break;
    case Split::qkv_rows: {
      const std::int64_t q = local_heads(job) * head;
      const std::int64_t kv = local_kv_heads(job) * head;
      const std::int64_t all_q = job.model.attention.heads * head;
      const std::int64_t all_kv = job.model.attention.kv_heads * head;
      const std::int64_t kv_first = tensor_rank * all_kv / job.layout.tensor / head * head;
      place.rows = {{0, tensor_rank * q, q},
                    {q, all_q + kv_first, kv},
                    {q + kv, all_q + all_kv + kv_first, kv}};
      break;
    }
    case Split::gated_rows: {
      const std::int64_t half = spec.rows / 2;
      const std::int64_t whole = half * job.layout.tensor;
      place.rows = {{0, tensor_rank * half, half}, {half, whole + tensor_rank * half, half}};
      break;
    }
    case Split::section_rows: {
      std::int64_t local = 0;
      for (const std::int64_t run : spec.sections) {
        place.rows.push_back({local, local * job.layout.tensor + tensor_rank * run, run});
        local += run;
      }
      break;
    }
    case Split::expert_rows:
    case Split::expert_gated_rows:
      place.rows = expert_blocks(spec, job, part);
      break;
    case Split::expert_columns:
      place.rows = expert_blocks(spec, job, part);
      place.first_column = part.expert_tensor * spec.columns;
      place.global_columns = spec.columns * job.layout.expert_tensor;
      break;
  }
  return place;
}

}  // namespace forerun
