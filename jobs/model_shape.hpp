// The shape of a transformer: what a Hugging Face config.json says, in one vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace forerun {

enum class Norm { rms_norm, layer_norm };
/// `swiglu` stands for every gated unit act(gate) * up (SiLU or GELU gate); `gelu` is ungated.
enum class Activation { swiglu, gelu };
enum class Position { rope, learned };

/// Multi-head, grouped-query or multi-query attention: `kv_heads` tells which.
struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  /// heads * head_size need not equal the hidden size; with latent attention the size of a query
  /// head, nope plus rope.
  std::int64_t head_size = 0;
  bool qkv_bias = false;
  bool output_bias = false;
  bool qk_norm = false;  ///< RMSNorm of every query and key head (Qwen3)
  /// Sliding window in tokens; absent: all of the context.
  std::optional<std::int64_t> window = std::nullopt;
};

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).
struct LatentAttention {
  /// q_lora_rank; absent: queries are not compressed.
  std::optional<std::int64_t> query_rank = std::nullopt;
  std::int64_t kv_rank = 0;          ///< kv_lora_rank
  std::int64_t nope_head_size = 0;   ///< qk_nope_head_dim
  std::int64_t rope_head_size = 0;   ///< qk_rope_head_dim
  std::int64_t value_head_size = 0;  ///< v_head_dim
};

struct MixtureOfExperts {
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  std::int64_t expert_hidden = 0;  ///< FFN width of one routed expert
  std::int64_t shared_hidden = 0;  ///< FFN width of all shared experts together; 0: none
  std::int64_t dense_layers = 0;   ///< leading layers with a dense FFN (first_k_dense_replace)
  bool router_bias = false;        ///< one correction bias per expert (DeepSeek-V3's balancing)
};

struct ModelShape {
  std::string name;    ///< catalog name or the path it was read from
  std::string family;  ///< Hugging Face model_type
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t ffn_hidden = 0;  ///< dense FFN width (per gate or up matrix)
  std::int64_t vocabulary = 0;  ///< unpadded
  std::int64_t max_positions = 0;
  AttentionShape attention;
  std::optional<LatentAttention> latent = std::nullopt;
  std::optional<MixtureOfExperts> moe = std::nullopt;
  Norm norm = Norm::rms_norm;
  Activation activation = Activation::swiglu;
  Position position = Position::rope;
  bool mlp_bias = false;
  bool tied_embeddings = false;
  std::int64_t mtp_modules = 0;  ///< multi-token-prediction modules; not counted as layers
  std::string source;            ///< where the numbers are from (catalog) or the file
};

}  // namespace forerun
