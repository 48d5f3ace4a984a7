#include "estimator/step/tensor.hpp"

#include <array>
#include <utility>

namespace forerun {

std::string_view weight_name(TensorName name) {
  using enum TensorName;
  static constexpr auto names = std::to_array<std::pair<TensorName, std::string_view>>({
      {w_embedding, "token embedding"},
      {w_position, "position embedding"},
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
      {w_final_norm, "final norm weight"},
      {b_final_norm, "final norm bias"},
      {w_head, "head weight"},
  });
  for (const auto& [known, text] : names) {
    if (known == name) {
      return text;
    }
  }
  return {};
}

}  // namespace forerun
