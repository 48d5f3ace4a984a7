// Attention, decode attention, rotary positions and the norms of query and key heads.
#include <cmath>

#include <cuda_bf16.h>

#include "kernels/cuda/attention_launch.hpp"
#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/decode_launch.hpp"
#include "kernels/cuda/norm_launch.hpp"
#include "kernels/cuda/own_call.hpp"
#include "kernels/cuda/rope_launch.hpp"
#include "kernels/cuda/stored_softmax_launch.hpp"

namespace forerun::cuda {

namespace {

/// visible_keys of kernels/kernel_shape.hpp as two bounds; one that is not there reaches beyond any
/// key.
AttentionSize attention_size(const AttentionKeyShape& shape) {
  const std::int64_t everything = shape.length + key_length(shape) + std::abs(shape.offset);
  return {.batch = shape.batch,
          .length = shape.length,
          .keys = key_length(shape),
          .heads = shape.heads,
          .kv_heads = shape.kv_heads,
          .head_size = shape.head_size,
          .value_size = value_size(shape),
          .reach_back = shape.window == 0 ? everything : shape.window - 1 - shape.offset,
          .reach_ahead = shape.mask == Mask::causal ? shape.offset : everything};
}

SoftmaxSize softmax_size(const OwnCall& call, const AttentionKeyShape& shape) {
  const AttentionSize size = attention_size(shape);
  return {.type = call.key.type,
          .rows = shape.batch * shape.heads * shape.length,
          .length = size.length,
          .keys = size.keys,
          .reach_back = size.reach_back,
          .reach_ahead = size.reach_ahead,
          .scale = 1.0F / std::sqrt(static_cast<float>(shape.head_size))};
}

/// The rows of q, k and v, or of their gradients.
template <class T>
struct ThreeRows {
  AttentionRows<T> q;
  AttentionRows<T> k;
  AttentionRows<T> v;
};

/// Operands from `first` on: packed rows or three arrays.
template <class T>
ThreeRows<T> rows_of(const OwnCall& call, const AttentionKeyShape& shape, std::size_t first) {
  const std::int64_t q_width = shape.heads * shape.head_size;
  const std::int64_t k_width = shape.kv_heads * shape.head_size;
  const std::int64_t v_width = shape.kv_heads * value_size(shape);
  if (!is_packed(shape)) {
    return {{static_cast<T*>(call.at[first]), q_width},
            {static_cast<T*>(call.at[first + 1]), k_width},
            {static_cast<T*>(call.at[first + 2]), v_width}};
  }
  auto* rows = static_cast<T*>(call.at[first]);
  const std::int64_t width = q_width + k_width + v_width;
  return {{rows, width}, {rows + q_width, width}, {rows + q_width + k_width, width}};
}

template <class T>
AttentionRows<const T> readable(const AttentionRows<T>& rows) {
  return {rows.memory, rows.width};
}

template <class T>
void start_attention(const OwnCall& call, const AttentionKeyShape& shape) {
  const std::size_t out = is_packed(shape) ? 1 : 3;
  const ThreeRows<T> rows = rows_of<T>(call, shape, 0);
  const std::int64_t out_width = shape.heads * value_size(shape);
  const AttentionSize size = attention_size(shape);
  if (call.key.op == KernelOp::attention_forward) {
    launch_attention_forward<T>(call.stream,
                                size,
                                {.q = readable(rows.q),
                                 .k = readable(rows.k),
                                 .v = readable(rows.v),
                                 .out = {static_cast<T*>(call.at[out]), out_width},
                                 .lse = call.floats(out + 1)});
    return;
  }
  const ThreeRows<T> gradients = rows_of<T>(call, shape, out + 3);
  const auto statistics = static_cast<std::size_t>(shape.batch * shape.heads * shape.length);
  launch_attention_backward<T>(call.stream,
                               size,
                               {.q = readable(rows.q),
                                .k = readable(rows.k),
                                .v = readable(rows.v),
                                .out = {static_cast<const T*>(call.at[out]), out_width},
                                .lse = call.floats(out + 1),
                                .d_out = {static_cast<const T*>(call.at[out + 2]), out_width},
                                .d_q = gradients.q,
                                .d_k = gradients.k,
                                .d_v = gradients.v,
                                .delta = call.scratch_floats(statistics * sizeof(float))});
}

void start_qk_norm_backward(const OwnCall& call,
                            const HeadsShape& shape,
                            const HeadNormSize& size) {
  const std::size_t scratch =
      column_sum_scratch_bytes(1, shape.tokens * shape.heads, shape.head_size);
  launch_qk_norm_backward(call.stream,
                          size,
                          {.qkv = call.at[0],
                           .q_weight = call.at[1],
                           .k_weight = call.at[2],
                           .rstd = call.floats(3),
                           .d_qkv = call.at[4],
                           .dq_weight = call.floats(5),
                           .dk_weight = call.floats(6),
                           .scratch = call.scratch_floats(scratch)});
}

}  // namespace

void start(const OwnCall& call, const AttentionKeyShape& shape) {
  switch (call.key.op) {
    case KernelOp::softmax_forward:
      return launch_softmax_forward(call.stream, softmax_size(call, shape), call.at[0], call.at[1]);
    case KernelOp::softmax_backward:
      return launch_softmax_backward(
          call.stream, softmax_size(call, shape), {call.at[0], call.at[1], call.at[2]});
    case KernelOp::attention_forward:
    case KernelOp::attention_backward:
      break;
    default:
      fail_mismatch(call.key);
  }
  if (call.key.type == DataType::bf16) {
    start_attention<__nv_bfloat16>(call, shape);
  } else {
    start_attention<float>(call, shape);
  }
}

void start(const OwnCall& call, const DecodeShape& shape) {
  const bool shares_rows = call.key.op == KernelOp::latent_decode_attention;
  if (!shares_rows && call.key.op != KernelOp::decode_attention) {
    fail_mismatch(call.key);
  }
  const DecodeSize size{.type = call.key.type,
                        .batch = shape.batch,
                        .context = shape.context,
                        .heads = shape.heads,
                        .kv_heads = shape.kv_heads,
                        .head_size = shape.head_size,
                        .value_size = value_size(shape),
                        .value_stride = shares_rows ? shape.head_size : value_size(shape)};
  launch_decode_attention(call.stream,
                          size,
                          {.q = call.at[0],
                           .k_cache = call.at[1],
                           .v_cache = call.at[shares_rows ? 1 : 2],
                           .out = call.at[shares_rows ? 2 : 3],
                           .scratch = call.scratch_floats(decode_scratch_bytes(size))});
}

void start(const OwnCall& call, const HeadsShape& shape) {
  const auto& at = call.at;
  const HeadNormSize norm{
      call.key.type, shape.tokens, shape.heads, shape.kv_heads, shape.head_size};
  const RopeSize rope{.type = call.key.type,
                      .tokens = shape.tokens,
                      .batch = shape.batch,
                      .heads = shape.heads,
                      .kv_heads = shape.kv_heads,
                      .head_size = shape.head_size,
                      .rotary_size = rotary_size(shape),
                      .first = call.scalars.first};
  if (call.key.op == KernelOp::rope_forward) {
    launch_rope(call.stream, rope, at[0], call.scalars.rope_theta, Rotation::forward);
  } else if (call.key.op == KernelOp::rope_backward) {
    launch_rope(call.stream, rope, at[0], call.scalars.rope_theta, Rotation::backward);
  } else if (call.key.op == KernelOp::qk_norm_forward) {
    const auto epsilon = static_cast<float>(call.scalars.norm_epsilon);
    launch_qk_norm_forward(
        call.stream, norm, {at[0], at[1], at[2], at[3], call.floats(4), epsilon});
  } else if (call.key.op == KernelOp::qk_norm_backward) {
    start_qk_norm_backward(call, shape, norm);
  } else {
    fail_mismatch(call.key);
  }
}

}  // namespace forerun::cuda
