// What the readers of several families share: sizes, heads, activations, layers that differ.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "jobs/config_fields.hpp"
#include "jobs/model_shape.hpp"

namespace forerun {

/// The number of layers. Throws InputError above 10,000: lists are made of one entry a layer.
[[nodiscard]] std::int64_t layer_count(const ConfigFields& fields, const std::string& key);

/// The first of the keys that is there; the first of all when none is.
[[nodiscard]] std::string first_of(const ConfigFields& fields, std::span<const std::string> keys);

/// Throws InputError when the word is none of the known ones.
void require_word(const ConfigFields& fields,
                  const std::string& key,
                  const std::string& word,
                  std::span<const std::string> known);

/// The unit of a gated FFN: SiLU or a GELU on the gate.
[[nodiscard]] Activation gated_activation(const ConfigFields& fields,
                                          const std::string& key = "hidden_act",
                                          const std::string& fallback = "silu");

/// A GELU, ReLU or squared ReLU.
[[nodiscard]] Activation plain_activation(const ConfigFields& fields,
                                          const std::string& key,
                                          const std::string& fallback);

/// Throws InputError at `heads_key` unless the heads divide the hidden size.
[[nodiscard]] std::int64_t hidden_over_heads(const ConfigFields& fields,
                                             const ModelShape& model,
                                             const std::string& heads_key);

/// num_hidden_layers, hidden_size, intermediate_size, vocab_size, num_attention_heads and
/// max_position_embeddings, as most families spell them; tie_word_embeddings, false unless said; a
/// gated FFN.
[[nodiscard]] ModelShape decoder_shape(const ConfigFields& fields, std::int64_t default_positions);

struct HeadDefaults {
  std::optional<std::int64_t> kv_heads;   ///< none: as many as query heads
  std::optional<std::int64_t> head_size;  ///< none: hidden size over heads
};

/// num_key_value_heads and head_dim.
void read_heads(const ConfigFields& fields, const HeadDefaults& defaults, ModelShape& model);

/// Biases of all four projections: attention_bias.
void read_attention_bias(const ConfigFields& fields, ModelShape& model, bool fallback = false);

/// rotary_size from the fraction of the head that `key` gives.
void read_rotary_part(const ConfigFields& fields,
                      const std::string& key,
                      double fallback,
                      ModelShape& model);

/// One kind for each layer, to be changed.
void list_kinds(ModelShape& model);

/// layer_types, where it is there: which layers have a window.
void read_layer_types(const ConfigFields& fields, ModelShape& model);

/// Throws InputError when a token uses more experts than there are.
void require_top_k(const ConfigFields& fields, const MixtureOfExperts& moe);

/// Experts of intermediate_size in every layer: Mixtral's spelling, with the family's defaults.
[[nodiscard]] MixtureOfExperts local_experts(const ConfigFields& fields,
                                             const ModelShape& model,
                                             std::int64_t experts,
                                             std::int64_t top_k);

}  // namespace forerun
