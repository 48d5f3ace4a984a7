#include "estimator/step/weight_specs.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "estimator/step/work_sizes.hpp"
#include "jobs/chunk_placement.hpp"

namespace forerun {
namespace {

WeightSpec vector_of(TensorName name, std::int64_t layer, std::int64_t size, Initial initial) {
  return {{name, layer}, 1, size, Split::replicated, initial, 0};
}

void add_norm(std::vector<WeightSpec>& specs,
              const ModelShape& model,
              TensorName weight,
              TensorName bias,
              std::int64_t layer) {
  specs.push_back(vector_of(weight, layer, model.hidden, Initial::ones));
  if (model.norm == Norm::layer_norm && model.norm_bias) {
    specs.push_back(vector_of(bias, layer, model.hidden, Initial::zeros));
  }
}

// Projections to latents as every tensor rank holds them, those from latents by heads.
void add_latent_attention(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer) {
  const ModelShape& model = job.model;
  const LatentAttention& latent = *model.latent;
  const std::int64_t heads = local_heads(job);
  const auto matrix = [&](TensorName name, std::int64_t rows, std::int64_t columns, Split split) {
    specs.push_back({{name, layer}, rows, columns, split, Initial::normal, 0});
  };
  if (latent.query_rank) {
    matrix(TensorName::w_query_down, *latent.query_rank, model.hidden, Split::replicated);
    specs.push_back(
        vector_of(TensorName::w_query_latent_norm, layer, *latent.query_rank, Initial::ones));
  }
  matrix(TensorName::w_query_up,
         heads * (latent.nope_head_size + latent.rope_head_size),
         latent.query_rank.value_or(model.hidden),
         Split::rows);
  matrix(TensorName::w_kv_down,
         latent.kv_rank + latent.rope_head_size,
         model.hidden,
         Split::replicated);
  specs.push_back(vector_of(TensorName::w_kv_latent_norm, layer, latent.kv_rank, Initial::ones));
  matrix(TensorName::w_kv_up,
         heads * (latent.nope_head_size + latent.value_head_size),
         latent.kv_rank,
         Split::rows);
  matrix(TensorName::w_out, model.hidden, heads * latent.value_head_size, Split::columns);
}

void add_attention(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer) {
  if (job.model.latent) {
    add_latent_attention(specs, job, layer);
    return;
  }
  const AttentionShape& attention = job.model.attention;
  const std::int64_t width = (local_heads(job) + 2 * local_kv_heads(job)) * attention.head_size;
  specs.push_back(
      {{TensorName::w_qkv, layer}, width, job.model.hidden, Split::qkv_rows, Initial::normal, 0});
  if (attention.qkv_bias) {
    specs.push_back({{TensorName::b_qkv, layer}, width, 1, Split::qkv_rows, Initial::zeros, 0});
  }
  if (attention.output_gate) {
    specs.push_back({{TensorName::w_attention_gate, layer},
                     local_heads(job) * attention.head_size,
                     job.model.hidden,
                     Split::rows,
                     Initial::normal,
                     0});
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

// What Mamba-1 has between its convolution and its scan.
void add_scan_inputs(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer) {
  const StateSpace& s = *job.model.state_space;
  const std::int64_t inner = s.inner / job.layout.tensor;
  specs.push_back({{TensorName::w_scan_inputs, layer},
                   s.dt_rank + 2 * s.state,
                   inner,
                   Split::columns,
                   Initial::normal,
                   0});
  specs.push_back({{TensorName::w_step, layer}, inner, s.dt_rank, Split::rows, Initial::normal, 0});
  if (s.inner_norms) {
    specs.push_back(vector_of(TensorName::w_step_norm, layer, s.dt_rank, Initial::ones));
    specs.push_back(vector_of(TensorName::w_input_norm, layer, s.state, Initial::ones));
    specs.push_back(vector_of(TensorName::w_output_norm, layer, s.state, Initial::ones));
  }
}

// A Mamba or DeltaNet layer: projection in, convolution, what the scan reads, norm, projection out.
void add_mixer(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer, Mixer mixer) {
  const MixerSizes size = mixer_sizes(job, mixer);
  const std::int64_t hidden = job.model.hidden;
  const auto sections = [&](TensorName name,
                            const std::vector<std::int64_t>& rows,
                            std::int64_t columns,
                            Initial initial) {
    std::int64_t all = 0;
    for (const std::int64_t run : rows) {
      all += run;
    }
    specs.push_back({{name, layer}, all, columns, Split::section_rows, initial, 0, rows});
  };
  const auto rows =
      [&](TensorName name, std::int64_t count, std::int64_t columns, Initial initial) {
        specs.push_back({{name, layer}, count, columns, Split::rows, initial, 0});
      };
  const bool is_delta = mixer == Mixer::delta_net;
  const std::int64_t taps =
      is_delta ? job.model.delta_net->conv_width : job.model.state_space->conv_width;
  const std::int64_t steps = mixer == Mixer::mamba ? size.inner : size.heads;
  sections(TensorName::w_mixer_in, size.projected_sections, hidden, Initial::normal);
  if (is_delta) {
    sections(TensorName::w_mixer_beta, {size.heads, size.heads}, hidden, Initial::normal);
  }
  sections(TensorName::w_conv, size.convolved_sections, taps, Initial::taps);
  if (!is_delta) {
    sections(TensorName::b_conv, size.convolved_sections, 1, Initial::zeros);
  }
  if (mixer == Mixer::mamba) {
    add_scan_inputs(specs, job, layer);
  }
  rows(TensorName::b_step, steps, 1, Initial::zeros);
  rows(TensorName::w_decay,
       steps,
       mixer == Mixer::mamba ? job.model.state_space->state : 1,
       Initial::normal);
  if (!is_delta) {
    rows(TensorName::w_skip, steps, 1, Initial::ones);
  }
  if (is_delta) {
    specs.push_back(
        vector_of(TensorName::w_gated_norm, layer, job.model.delta_net->value_size, Initial::ones));
  } else if (mixer == Mixer::mamba2) {
    rows(TensorName::w_gated_norm, size.inner, 1, Initial::ones);
  }
  specs.push_back(
      {{TensorName::w_out, layer}, hidden, size.inner, Split::columns, Initial::normal, 0});
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

// The router as every rank holds it, the experts held here one below the other, the shared ones as
// one FFN.
void add_experts(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer) {
  const ModelShape& model = job.model;
  const MixtureOfExperts& moe = *model.moe;
  const std::int64_t held = moe.experts / job.layout.expert;
  const std::int64_t ffn = moe.expert_hidden / job.layout.expert_tensor;
  const std::int64_t shared = moe.shared_hidden / job.layout.tensor;
  const std::int64_t up = up_factor(model);
  specs.push_back({{TensorName::w_router, layer},
                   moe.experts,
                   model.hidden,
                   Split::replicated,
                   Initial::normal,
                   0});
  if (moe.latent > 0) {
    for (const auto& [name, rows, columns] :
         {std::tuple{TensorName::w_expert_latent_in, moe.latent, model.hidden},
          std::tuple{TensorName::w_expert_latent_out, model.hidden, moe.latent}}) {
      specs.push_back({{name, layer}, rows, columns, Split::replicated, Initial::normal, 0});
    }
  }
  const std::int64_t width = expert_width(model);
  specs.push_back({{TensorName::w_expert_up, layer},
                   held * up * ffn,
                   width,
                   up == 2 ? Split::expert_gated_rows : Split::expert_rows,
                   Initial::normal,
                   0});
  specs.push_back({{TensorName::w_expert_down, layer},
                   held * width,
                   ffn,
                   Split::expert_columns,
                   Initial::normal,
                   0});
  if (shared > 0) {
    specs.push_back({{TensorName::w_shared_up, layer},
                     up * shared,
                     model.hidden,
                     up == 2 ? Split::gated_rows : Split::rows,
                     Initial::normal,
                     0});
    if (moe.shared_gate) {
      specs.push_back({{TensorName::w_shared_gate, layer},
                       1,
                       model.hidden,
                       Split::replicated,
                       Initial::normal,
                       0});
    }
    specs.push_back({{TensorName::w_shared_down, layer},
                     model.hidden,
                     shared,
                     Split::columns,
                     Initial::normal,
                     0});
  }
}

void add_embedding(std::vector<WeightSpec>& specs, const Job& job, TensorName name) {
  const std::int64_t rows =
      padded_vocabulary(job.model.vocabulary, job.layout.tensor) / job.layout.tensor;
  specs.push_back({{name}, rows, job.model.hidden, Split::rows, Initial::normal, 0});
}

// What follows the look-up of tokens.
void add_embedding_ends(std::vector<WeightSpec>& specs, const ModelShape& model) {
  if (model.position == Position::learned) {
    specs.push_back({{TensorName::w_position},
                     position_rows(model),
                     model.hidden,
                     Split::replicated,
                     Initial::normal,
                     0});
  }
  if (model.embedding_norm) {
    add_norm(specs, model, TensorName::w_embedding_norm, TensorName::b_embedding_norm, -1);
  }
}

void add_layer(std::vector<WeightSpec>& specs, const Job& job, std::int64_t layer) {
  const ModelShape& model = job.model;
  const LayerKind kind = kind_of(model, layer);
  if (kind.mixer != Mixer::none) {
    add_norm(specs, model, TensorName::w_norm1, TensorName::b_norm1, layer);
    if (kind.mixer == Mixer::attention) {
      add_attention(specs, job, layer);
    } else {
      add_mixer(specs, job, layer, kind.mixer);
    }
  }
  if (model.post_norms) {
    add_norm(specs, model, TensorName::w_post_norm1, TensorName::b_post_norm1, layer);
  }
  if (model.block != Block::parallel && kind.ffn != FeedForward::none) {
    add_norm(specs, model, TensorName::w_norm2, TensorName::b_norm2, layer);
  }
  if (kind.ffn == FeedForward::dense) {
    add_mlp(specs, job, layer);
  } else if (kind.ffn == FeedForward::experts) {
    add_experts(specs, job, layer);
  }
  if (model.post_norms) {
    add_norm(specs, model, TensorName::w_post_norm2, TensorName::b_post_norm2, layer);
  }
}

}  // namespace

std::vector<WeightSpec> stage_specs(const Job& job, std::int64_t stage) {
  const auto layers = chunk_layers(job);
  const auto held = chunks_of_stage(job, stage);
  const bool is_first = std::ranges::find(held, 0) != held.end();
  const bool is_last = std::ranges::find(held, std::ssize(layers) - 1) != held.end();
  std::vector<WeightSpec> specs;
  if (is_first || (is_last && job.model.tied_embeddings)) {
    add_embedding(specs, job, TensorName::w_embedding);
  }
  if (is_first) {
    add_embedding_ends(specs, job.model);
  }
  for (const std::int64_t index : held) {
    const ChunkLayers& chunk = layers[static_cast<std::size_t>(index)];
    for (std::int64_t layer = chunk.first; layer < chunk.first + chunk.count; ++layer) {
      add_layer(specs, job, layer);
    }
  }
  if (is_last) {
    add_norm(specs, job.model, TensorName::w_final_norm, TensorName::b_final_norm, -1);
    if (!job.model.tied_embeddings) {
      add_embedding(specs, job, TensorName::w_head);
    }
    if (job.model.head_bias) {
      const std::int64_t rows =
          padded_vocabulary(job.model.vocabulary, job.layout.tensor) / job.layout.tensor;
      specs.push_back({{TensorName::b_head}, rows, 1, Split::rows, Initial::zeros, 0});
    }
  }
  return specs;
}

std::vector<WeightSpec> layer_specs(const Job& job, std::int64_t layer) {
  std::vector<WeightSpec> specs;
  add_layer(specs, job, layer);
  return specs;
}

}  // namespace forerun
