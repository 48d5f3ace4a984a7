#include "estimator/capacity/serving_software.hpp"

#include <algorithm>

#include "units/unit.hpp"

namespace forerun {

const std::vector<ServingSoftware>& serving_software() {
  // A launch from C++ 4 us (Erdil 2025, "Inference economics of language models"); 4 to 6 us are
  // measured on CUDA 13 (susun-blog.com, pegainfer 3). A launch through PyTorch's eager operators
  // 5 to 20 us (guides on CUDA graphs: transcendence2006.site; czhou578.github.io has 5 to 15);
  // their geometric middle.
  static const std::vector<ServingSoftware> all{
      {},
      {"fastertransformer", 4.0 * unit::microsecond, false, true, false},
      {"pytorch-eager", 10.0 * unit::microsecond, true, false, false}};
  return all;
}

std::optional<ServingSoftware> serving_software_from(std::string_view name) {
  const auto& all = serving_software();
  const auto found = std::ranges::find(all, name, &ServingSoftware::name);
  return found == all.end() ? std::nullopt : std::optional(*found);
}

// Counted from Hugging Face's modules (transformers, models/llama and models/gpt_neox).
double launches_of(KernelOp op, const ServingSoftware& software) {
  if (software.is_fused) {
    return 1.0;
  }
  switch (op) {
    case KernelOp::rms_norm_forward:  // widen, square, mean, add, rsqrt, two products, narrow
      return 8.0;
    case KernelOp::qk_norm_forward:  // the same for queries and for keys
      return 16.0;
    case KernelOp::rope_forward:  // of queries and keys: two products, negate, join, add; tables 4
      return 14.0;
    case KernelOp::decode_attention:  // two products, scale, mask, softmax with two casts, order
    case KernelOp::latent_decode_attention:
      return 8.0;
    case KernelOp::swiglu_forward:  // up and gate are products of their own
    case KernelOp::geglu_forward:
      return 3.0;
    default:
      return 1.0;
  }
}

}  // namespace forerun
