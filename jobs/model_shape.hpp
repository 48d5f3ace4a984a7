// The shape of a decoder: what a Hugging Face config.json says, in one vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace forerun {

enum class Norm { rms_norm, layer_norm };
/// swiglu and geglu are gated, act(gate) * up with SiLU or GELU; the others are not. GELU's exact
/// and tanh forms are one.
enum class Activation { swiglu, geglu, gelu, relu, relu_squared };
enum class Position { rope, learned, alibi, none };
/// `sequential`: the FFN reads what attention left behind; `parallel`: both read one norm of the
/// layer's input and are added together (GPT-J, PaLM); `parallel_two_norms`: each its own norm of
/// it (GPT-NeoX, Falcon-40B).
enum class Block { sequential, parallel, parallel_two_norms };

/// Multi-head, grouped-query or multi-query attention: `kv_heads` tells which.
struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  /// heads * head_size need not equal the hidden size; with latent attention the size of a query
  /// head, nope plus rope.
  std::int64_t head_size = 0;
  bool qkv_bias = false;
  bool output_bias = false;
  bool qk_norm = false;  ///< RMSNorm of every query and key head (Qwen3, Gemma 3)
  /// Tokens that layers with a window see; absent: all of the context.
  std::optional<std::int64_t> window = std::nullopt;
  /// The window is the chunk of the sequence that a token stands in (Llama 4), it does not slide.
  bool chunked = false;
  std::int64_t rotary_size = 0;  ///< first elements of a head that rope turns; 0: all
  bool sinks = false;            ///< one learned score per head beside the keys (gpt-oss)
  bool output_gate = false;      ///< a gate as wide as the queries on what is attended (Qwen3-Next)
  /// cap * tanh(score / cap) before the softmax (Gemma 2).
  std::optional<double> softcap = std::nullopt;
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

/// Mamba's mixer: Mamba-1 (Gu, Dao 2023, arXiv 2312.00752) and Mamba-2 (arXiv 2405.21060).
struct StateSpace {
  std::int64_t inner = 0;       ///< channels
  std::int64_t state = 0;       ///< per channel
  std::int64_t conv_width = 0;  ///< taps
  std::int64_t dt_rank = 0;     ///< Mamba-1
  std::int64_t heads = 0;       ///< Mamba-2: heads * head size = inner
  std::int64_t groups = 0;      ///< Mamba-2, of B and C
  bool conv_bias = true;
  bool projection_bias = false;  ///< of the projections in and out
  bool inner_norms = false;      ///< RMSNorm of dt, B and C (Jamba)
};

/// Gated DeltaNet (Yang et al. 2024, arXiv 2412.06464) as Qwen3-Next has it.
struct DeltaNet {
  std::int64_t key_heads = 0;
  std::int64_t value_heads = 0;
  std::int64_t key_size = 0;  ///< of one head
  std::int64_t value_size = 0;
  std::int64_t conv_width = 0;
};

struct MixtureOfExperts {
  std::int64_t experts = 0;
  std::int64_t top_k = 0;
  std::int64_t expert_hidden = 0;  ///< FFN width of one routed expert
  std::int64_t shared_hidden = 0;  ///< FFN width of all shared experts together; 0: none
  std::int64_t dense_layers = 0;   ///< leading layers with a dense FFN (first_k_dense_replace)
  bool router_bias = false;        ///< one bias per expert (DeepSeek-V3's balancing, gpt-oss)
  bool expert_bias = false;        ///< biases of the experts' matrices (gpt-oss)
  bool shared_gate = false;        ///< a weight per token on the shared expert (Qwen2-MoE)
  /// Width that routed experts read and write, between two projections of every token (Nemotron 3
  /// Super, moe_latent_size); 0: the hidden size, without projections.
  std::int64_t latent = 0;
};

enum class Mixer { attention, mamba, mamba2, delta_net, none };
enum class FeedForward { dense, experts, none };

/// What one layer is made of, where layers differ.
struct LayerKind {
  Mixer mixer = Mixer::attention;
  FeedForward ffn = FeedForward::dense;
  bool windowed = false;  ///< attention sees `AttentionShape::window` only
  bool rope = true;       ///< positions as `ModelShape::position` says; else none
  friend bool operator==(const LayerKind&, const LayerKind&) = default;
};

struct ModelShape {
  std::string name;    ///< catalog name or the path it was read from
  std::string family;  ///< Hugging Face model_type
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t ffn_hidden = 0;     ///< dense FFN width (per gate or up matrix)
  std::int64_t vocabulary = 0;     ///< unpadded
  std::int64_t max_positions = 0;  ///< of the sequence
  AttentionShape attention;
  std::optional<LatentAttention> latent = std::nullopt;
  std::optional<MixtureOfExperts> moe = std::nullopt;
  std::optional<StateSpace> state_space = std::nullopt;
  std::optional<DeltaNet> delta_net = std::nullopt;
  /// One for each layer, or none where all layers are attention, windowed when there is a window,
  /// with experts from `dense_layers` on when there are experts.
  std::vector<LayerKind> kinds = {};
  Norm norm = Norm::rms_norm;
  bool norm_bias = true;    ///< of LayerNorm; RMSNorm has none
  bool post_norms = false;  ///< attention's and the FFN's outputs have norms too (Gemma 2)
  Activation activation = Activation::swiglu;
  Position position = Position::rope;
  std::int64_t position_offset = 0;  ///< rows of the position table that no token uses (OPT)
  Block block = Block::sequential;
  bool mlp_bias = false;
  bool tied_embeddings = false;
  bool embedding_norm = false;   ///< a LayerNorm behind the embedding (BLOOM)
  bool embedding_scale = false;  ///< the embedding times the root of the hidden size (Gemma)
  bool head_bias = false;        ///< one per token of the vocabulary (GPT-J, Phi)
  std::optional<double> logit_softcap = std::nullopt;  ///< cap * tanh(logit / cap) (Gemma 2)
  std::int64_t mtp_modules = 0;  ///< multi-token-prediction modules; not counted as layers
  std::string source;            ///< where the numbers are from (catalog) or the file
};

/// What layer `layer`, counted from 0, is made of.
[[nodiscard]] LayerKind kind_of(const ModelShape& model, std::int64_t layer);

/// The window of the layer in tokens; nothing where it sees all of the context.
[[nodiscard]] std::optional<std::int64_t> window_of(const ModelShape& model, std::int64_t layer);

/// Whether the FFN is act(gate) * up.
[[nodiscard]] bool is_gated(Activation activation);

/// What a token brings to its routed experts and takes from them, in elements. The model must have
/// experts.
[[nodiscard]] std::int64_t expert_width(const ModelShape& model);

/// Rows of the learned position table.
[[nodiscard]] std::int64_t position_rows(const ModelShape& model);

/// Whether any layer has experts, or a dense FFN.
[[nodiscard]] bool has_ffn(const ModelShape& model, FeedForward kind);

}  // namespace forerun
