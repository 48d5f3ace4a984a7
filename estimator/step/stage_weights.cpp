#include "estimator/step/stage_weights.hpp"

#include <algorithm>

namespace forerun {
namespace {

constexpr std::int64_t alignment = 16;  // elements: 64 bytes of fp32, what vector units like

std::int64_t rounded_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

WeightSpec vector_of(TensorName name, std::int64_t layer, std::int64_t size, Initial initial) {
  return {{name, layer}, 1, size, Split::replicated, initial, 0};
}

void add_norm(std::vector<WeightSpec>& specs,
              const ModelShape& model,
              TensorName weight,
              TensorName bias,
              std::int64_t layer) {
  specs.push_back(vector_of(weight, layer, model.hidden, Initial::ones));
  if (model.norm == Norm::layer_norm) {
    specs.push_back(vector_of(bias, layer, model.hidden, Initial::zeros));
  }
}

void add_attention(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer) {
  const AttentionShape& attention = job.model.attention;
  const std::int64_t width = (local_heads(job) + 2 * local_kv_heads(job)) * attention.head_size;
  specs.push_back(
      {{TensorName::w_qkv, layer}, width, job.model.hidden, Split::qkv_rows, Initial::normal, 0});
  if (attention.qkv_bias) {
    specs.push_back({{TensorName::b_qkv, layer}, width, 1, Split::qkv_rows, Initial::zeros, 0});
  }
  if (attention.qk_norm) {
    specs.push_back(vector_of(TensorName::w_q_norm, layer, attention.head_size, Initial::ones));
    specs.push_back(vector_of(TensorName::w_k_norm, layer, attention.head_size, Initial::ones));
  }
  specs.push_back({{TensorName::w_out, layer},
                   job.model.hidden,
                   local_heads(job) * attention.head_size,
                   Split::columns,
                   Initial::normal,
                   0});
  if (attention.output_bias) {
    specs.push_back(vector_of(TensorName::b_out, layer, job.model.hidden, Initial::zeros));
  }
}

void add_mlp(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer) {
  const ModelShape& model = job.model;
  const std::int64_t ffn = model.ffn_hidden / job.layout.tensor;
  const std::int64_t width = up_factor(model) * ffn;
  const Split split = up_factor(model) == 2 ? Split::gated_rows : Split::rows;
  specs.push_back({{TensorName::w_up, layer}, width, model.hidden, split, Initial::normal, 0});
  if (model.mlp_bias) {
    specs.push_back({{TensorName::b_up, layer}, width, 1, split, Initial::zeros, 0});
  }
  specs.push_back(
      {{TensorName::w_down, layer}, model.hidden, ffn, Split::columns, Initial::normal, 0});
  if (model.mlp_bias) {
    specs.push_back(vector_of(TensorName::b_down, layer, model.hidden, Initial::zeros));
  }
}

void add_embedding(std::vector<WeightSpec>& specs, const Job& job, TensorName name) {
  const std::int64_t rows =
      padded_vocabulary(job.model.vocabulary, job.layout.tensor) / job.layout.tensor;
  specs.push_back({{name}, rows, job.model.hidden, Split::rows, Initial::normal, 0});
}

std::vector<WeightSpec> unplaced(const Job& job, std::int64_t stage) {
  const std::int64_t stages = job.layout.pipeline;
  const auto chunks = assign_layers(job.model.layers, stages * job.layout.virtual_pipeline);
  const bool is_first = stage == 0;
  const bool is_last = stage == stages - 1;
  std::vector<WeightSpec> specs;
  if (is_first || (is_last && job.model.tied_embeddings)) {
    add_embedding(specs, job, TensorName::w_embedding);
  }
  if (is_first && job.model.position == Position::learned) {
    specs.push_back({{TensorName::w_position},
                     job.model.max_positions,
                     job.model.hidden,
                     Split::replicated,
                     Initial::normal,
                     0});
  }
  for (auto chunk = static_cast<std::size_t>(stage); chunk < chunks.size();
       chunk += static_cast<std::size_t>(stages)) {
    for (std::int64_t i = 0; i < chunks[chunk].count; ++i) {
      const std::int64_t layer = chunks[chunk].first + i;
      add_norm(specs, job.model, TensorName::w_norm1, TensorName::b_norm1, layer);
      add_attention(specs, job, layer);
      add_norm(specs, job.model, TensorName::w_norm2, TensorName::b_norm2, layer);
      add_mlp(specs, job, layer);
    }
  }
  if (is_last) {
    add_norm(specs, job.model, TensorName::w_final_norm, TensorName::b_final_norm, -1);
    if (!job.model.tied_embeddings) {
      add_embedding(specs, job, TensorName::w_head);
    }
  }
  return specs;
}

// Head norms, then everything else that tensor ranks hold alike, then the shards.
int reduction_order(const WeightSpec& spec) {
  if (spec.id.name == TensorName::w_q_norm || spec.id.name == TensorName::w_k_norm) {
    return 0;
  }
  return spec.split == Split::replicated ? 1 : 2;
}

}  // namespace

std::int64_t local_heads(const Job& job) {
  return job.model.attention.heads / job.layout.tensor;
}

std::int64_t local_kv_heads(const Job& job) {
  return std::max<std::int64_t>(1, job.model.attention.kv_heads / job.layout.tensor);
}

std::int64_t up_factor(const ModelShape& model) {
  return model.activation == Activation::swiglu ? 2 : 1;
}

StageWeights stage_weights(const Job& job, std::int64_t stage) {
  StageWeights weights;
  weights.specs = unplaced(job, stage);
  std::ranges::stable_sort(weights.specs, {}, reduction_order);
  const bool sums_all = job.recipe.sequence_parallel == SequenceParallel::on;
  for (WeightSpec& spec : weights.specs) {
    spec.offset = weights.elements;
    weights.parameters += spec.rows * spec.columns;
    weights.elements += rounded_up(spec.rows * spec.columns, alignment);
    const int order = reduction_order(spec);
    if (job.layout.tensor > 1 && (order == 0 || (order == 1 && sums_all))) {
      weights.tensor_summed_elements = weights.elements;
    }
  }
  weights.elements = rounded_up(weights.elements, alignment * job.layout.data * job.layout.context);
  return weights;
}

ShardPlace shard_place(const WeightSpec& spec, const Job& job, std::int64_t tensor_rank) {
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
      place.rows = {{0, tensor_rank * half, half},
                    {half, job.model.ffn_hidden + tensor_rank * half, half}};
      break;
    }
  }
  return place;
}

}  // namespace forerun
