// What cuDNN's fused attention takes, from the checks of cudnn-frontend 1.23 for cuDNN 9
// (sdpa_support_surface.h, and the backward node of scaled_dot_product_flash_attention.h).
#include <initializer_list>

#include <fmt/format.h>

#include "kernels/cuda/attention.hpp"
#include "kernels/cuda/attention_graph.hpp"

namespace forerun::cuda {

namespace {

using Refusal = std::optional<std::string>;

constexpr int ampere = 8;
constexpr int hopper = 9;
constexpr int blackwell = 10;

Refusal wrong_library(KernelOp op, const AttentionKeyShape& shape, std::size_t version) {
  constexpr std::size_t first_without_zeroed_sums = 90600;
  constexpr std::size_t first_wrong = 91000;
  constexpr std::size_t last_wrong = 91001;
  constexpr std::size_t first_with_any_length = 91600;
  constexpr std::int64_t step = 128;
  if (version < first_without_zeroed_sums || (version >= first_wrong && version <= last_wrong)) {
    return "cuDNN's fused attention is used from 9.6 on, without 9.10.0 and 9.10.1";
  }
  if (op == KernelOp::attention_backward && version < first_with_any_length &&
      key_length(shape) % step != 0) {
    return "cuDNN's fused attention backward takes numbers of keys in steps of 128 before 9.16";
  }
  return std::nullopt;
}

std::int64_t largest_head(KernelOp op, int major) {
  constexpr std::int64_t wide = 256;
  constexpr std::int64_t narrow = 128;
  return major == hopper || (op == KernelOp::attention_forward && major <= blackwell) ? wide
                                                                                      : narrow;
}

Refusal wrong_heads(KernelOp op, const AttentionKeyShape& shape, int major) {
  constexpr std::int64_t latent_head = 192;
  constexpr std::int64_t latent_value = 128;
  const std::int64_t values = value_size(shape);
  const bool is_latent = shape.head_size == latent_head && values == latent_value;
  if (is_latent && major >= hopper) {
    return std::nullopt;
  }
  const std::int64_t most = largest_head(op, major);
  if (shape.head_size % 8 != 0 || values % 8 != 0 || shape.head_size > most || values > most) {
    return fmt::format("cuDNN's fused attention takes head sizes up to {} in steps of 8, not {}/{}",
                       most,
                       shape.head_size,
                       values);
  }
  return std::nullopt;
}

Refusal wrong_mask(const AttentionKeyShape& shape) {
  const std::int64_t keys = key_length(shape);
  const FusedMask mask = fused_mask(shape);
  if (shape.length == 1 && keys == 1) {
    return "cuDNN's fused attention does not take one query and one key";
  }
  if (mask.is_causal && shape.offset != 0 && shape.offset != keys - shape.length) {
    return "cuDNN's fused attention aligns the first or the last query with the keys";
  }
  if (mask.ends_together && shape.length > keys) {
    return "cuDNN's fused attention takes no queries before the first key";
  }
  if (mask.has_window && (!mask.is_causal || shape.length > keys)) {
    return "cuDNN's fused attention takes windows with a causal mask and no fewer keys than "
           "queries";
  }
  return std::nullopt;
}

}  // namespace

FusedMask fused_mask(const AttentionKeyShape& shape) {
  const std::int64_t keys = key_length(shape);
  FusedMask mask;
  // The first query sees the last key: so do all others.
  mask.is_causal = shape.mask == Mask::causal && shape.offset < keys - 1;
  mask.ends_together = mask.is_causal && shape.offset != 0 && shape.offset == keys - shape.length;
  // The last query sees the first key.
  mask.has_window = shape.window != 0 && shape.window < shape.length + shape.offset;
  return mask;
}

std::optional<std::string> fused_attention_refusal(KernelOp op,
                                                   const AttentionKeyShape& shape,
                                                   const FusedAttentionPlace& place) {
  if (op != KernelOp::attention_forward && op != KernelOp::attention_backward) {
    return fmt::format("{} is a part of attention, which cuDNN fuses whole", name_of(op));
  }
  if (place.compute_major < ampere) {
    return "cuDNN's fused attention needs compute capability 8.0 or newer";
  }
  for (const Refusal& refusal : {wrong_library(op, shape, place.cudnn_version),
                                 wrong_heads(op, shape, place.compute_major),
                                 wrong_mask(shape)}) {
    if (refusal) {
      return refusal;
    }
  }
  return std::nullopt;
}

}  // namespace forerun::cuda
