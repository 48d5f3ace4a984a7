#include "estimator/step/tensor.hpp"

#include <array>
#include <utility>

namespace forerun {

namespace {

constexpr auto tensor_names = [] {
  using enum TensorName;
  return std::to_array<std::pair<TensorName, std::string_view>>({
      {w_embedding, "token embedding"},
      {w_position, "position embedding"},
      {w_embedding_norm, "embedding norm weight"},
      {b_embedding_norm, "embedding norm bias"},
      {w_post_norm1, "attention output norm weight"},
      {b_post_norm1, "attention output norm bias"},
      {w_post_norm2, "FFN output norm weight"},
      {b_post_norm2, "FFN output norm bias"},
      {b_head, "head bias"},
      {w_norm1, "attention norm weight"},
      {b_norm1, "attention norm bias"},
      {w_qkv, "qkv weight"},
      {b_qkv, "qkv bias"},
      {w_q_norm, "query norm weight"},
      {w_k_norm, "key norm weight"},
      {w_out, "attention output weight"},
      {b_out, "attention output bias"},
      {w_norm2, "FFN norm weight"},
      {b_norm2, "FFN norm bias"},
      {w_up, "FFN up weight"},
      {b_up, "FFN up bias"},
      {w_down, "FFN down weight"},
      {b_down, "FFN down bias"},
      {w_query_down, "query down weight"},
      {w_query_latent_norm, "query latent norm weight"},
      {w_query_up, "query up weight"},
      {w_kv_down, "key-value down weight"},
      {w_kv_latent_norm, "key-value latent norm weight"},
      {w_kv_up, "key-value up weight"},
      {w_router, "router weight"},
      {w_expert_up, "expert up weight"},
      {w_expert_down, "expert down weight"},
      {w_expert_latent_in, "expert latent down weight"},
      {w_expert_latent_out, "expert latent up weight"},
      {w_shared_up, "shared expert up weight"},
      {w_shared_down, "shared expert down weight"},
      {w_final_norm, "final norm weight"},
      {b_final_norm, "final norm bias"},
      {w_head, "head weight"},
      {w_attention_gate, "attention gate weight"},
      {w_shared_gate, "shared expert gate weight"},
      {w_mixer_in, "mixer input weight"},
      {w_mixer_beta, "DeltaNet strength weight"},
      {w_conv, "convolution weight"},
      {b_conv, "convolution bias"},
      {w_scan_inputs, "scan input weight"},
      {w_step, "scan step weight"},
      {b_step, "scan step bias"},
      {w_decay, "scan decay"},
      {w_skip, "scan skip"},
      {w_step_norm, "scan step norm weight"},
      {w_input_norm, "scan B norm weight"},
      {w_output_norm, "scan C norm weight"},
      {w_gated_norm, "gated norm weight"},
  });
}();

}  // namespace

std::string_view weight_name(TensorName name) {
  for (const auto& [known, text] : tensor_names) {
    if (known == name) {
      return text;
    }
  }
  return {};
}

}  // namespace forerun
