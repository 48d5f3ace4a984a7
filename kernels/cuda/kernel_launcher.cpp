// One function a shape: operands by position, as kernels/operands.hpp lists them.
#include "kernels/cuda/kernel_launcher.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <variant>

#include <fmt/format.h>

#include "kernels/cuda/activation_launch.hpp"
#include "kernels/cuda/adamw_launch.hpp"
#include "kernels/cuda/attention_launch.hpp"
#include "kernels/cuda/check.hpp"
#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/cross_entropy_launch.hpp"
#include "kernels/cuda/elementwise_launch.hpp"
#include "kernels/cuda/embedding_launch.hpp"
#include "kernels/cuda/norm_launch.hpp"
#include "kernels/cuda/rope_launch.hpp"
#include "kernels/valid_key.hpp"

namespace forerun::cuda {

namespace {

float* floats(void* memory) {
  return static_cast<float*>(memory);
}

const std::int32_t* integers(const void* memory) {
  return static_cast<const std::int32_t*>(memory);
}

[[noreturn]] void fail_mismatch(const KernelKey& key) {
  throw std::invalid_argument("operation and shape do not belong together: " + text_of(key));
}

AttentionSize attention_size(const AttentionKeyShape& shape) {
  return {.batch = shape.batch,
          .length = shape.length,
          .heads = shape.heads,
          .kv_heads = shape.kv_heads,
          .head_size = shape.head_size,
          .mask = shape.mask == Mask::causal ? CausalMask::yes : CausalMask::no};
}

AdamWFactors factors_of(const AdamWScalars& scalars) {
  const auto step = static_cast<double>(scalars.step);
  return {.learning_rate = static_cast<float>(scalars.learning_rate),
          .beta1 = static_cast<float>(scalars.beta1),
          .beta2 = static_cast<float>(scalars.beta2),
          .epsilon = static_cast<float>(scalars.epsilon),
          .weight_decay = static_cast<float>(scalars.weight_decay),
          .rest1 = static_cast<float>(1.0 - scalars.beta1),
          .rest2 = static_cast<float>(1.0 - scalars.beta2),
          .m_correction = static_cast<float>(1.0 / (1.0 - std::pow(scalars.beta1, step))),
          .v_correction = static_cast<float>(1.0 / (1.0 - std::pow(scalars.beta2, step)))};
}

bool has_kernel(KernelOp op) {
  switch (op) {
    case KernelOp::cast:
    case KernelOp::add_rms_norm_forward:
    case KernelOp::add_rms_norm_backward:
    case KernelOp::add_layer_norm_forward:
    case KernelOp::add_layer_norm_backward:
    case KernelOp::decode_attention:
    case KernelOp::grouped_gemm:
    case KernelOp::router_forward:
    case KernelOp::router_backward:
    case KernelOp::expert_sort:
    case KernelOp::permute_forward:
    case KernelOp::permute_backward:
    case KernelOp::unpermute_forward:
    case KernelOp::unpermute_backward:
    case KernelOp::conv1d_forward:
    case KernelOp::conv1d_backward:
    case KernelOp::ssd_forward:
    case KernelOp::ssd_backward:
    case KernelOp::selective_scan_forward:
    case KernelOp::selective_scan_backward:
      return false;
    default:
      return true;
  }
}

std::optional<std::string> refuses_fp32(const AttentionKeyShape& shape) {
  if (shape.head_size > largest_fp32_head_size) {
    return fmt::format("the fp32 attention kernels take head sizes up to {}, not {}",
                       largest_fp32_head_size,
                       shape.head_size);
  }
  return std::nullopt;
}

}  // namespace

KernelLauncher::KernelLauncher(int ordinal, cudaStream_t stream)
    : stream_(stream), attention_(ordinal, stream) {
  FORERUN_CUDA_CHECK(prepare_attention());
}

std::optional<std::string> KernelLauncher::refuses(const KernelKey& key) const {
  if (key.type != DataType::bf16 && key.type != DataType::fp32) {
    return fmt::format("the CUDA kernels take bf16 and fp32, not {}", name_of(key.type));
  }
  if (auto reason = contradiction_in(key)) {
    return reason;
  }
  if (const auto* attention = std::get_if<AttentionKeyShape>(&key.shape)) {
    if (!is_packed(*attention) || attention->window != 0) {
      return "the CUDA kernels attend within one sequence, without a window";
    }
    return key.type == DataType::bf16 ? attention_.refuses(*attention) : refuses_fp32(*attention);
  }
  if (!has_kernel(key.op)) {
    return fmt::format("there is no CUDA kernel for {}", name_of(key.op));
  }
  return std::nullopt;
}

void KernelLauncher::launch(const KernelKey& key,
                            std::span<void* const> operands,
                            const KernelScalars& scalars) {
  if (const auto reason = refuses(key)) {
    throw std::invalid_argument(fmt::format("{}: {}", text_of(key), *reason));
  }
  if (operands.size() != operands_of(key).size()) {
    throw std::invalid_argument(fmt::format("{} takes {} operands, {} were given",
                                            text_of(key),
                                            operands_of(key).size(),
                                            operands.size()));
  }
  const Call call{key, operands, scalars};
  std::visit([&](const auto& shape) { start(shape, call); }, key.shape);
  FORERUN_CUDA_CHECK(cudaGetLastError());
}

int KernelLauncher::gemm_algorithm_id(const KernelKey& key) {
  constexpr std::size_t cuda_malloc_alignment = 256;
  return gemm_.algorithm_id(key, cuda_malloc_alignment);
}

float* KernelLauncher::column_scratch(int sums, std::int64_t rows, std::int64_t columns) {
  return floats(scratch_.at_least(column_sum_scratch_bytes(sums, rows, columns)));
}

template <class Shape>
void KernelLauncher::start(const Shape& /*shape*/, const Call& call) {
  fail_mismatch(call.key);
}

void KernelLauncher::start(const GemmShape& /*shape*/, const Call& call) {
  if (call.key.op != KernelOp::gemm) {
    fail_mismatch(call.key);
  }
  gemm_.run(stream_, call.key, call.operands, scratch_.at_least(gemm_workspace_bytes));
}

void KernelLauncher::start(const AttentionKeyShape& shape, const Call& call) {
  if (call.key.type == DataType::fp32) {
    start_fp32(shape, call);
  } else if (call.key.op == KernelOp::attention_forward) {
    attention_.forward(shape, call.operands, scratch_);
  } else if (call.key.op == KernelOp::attention_backward) {
    attention_.backward(shape, call.operands, scratch_);
  } else {
    fail_mismatch(call.key);
  }
}

void KernelLauncher::start_fp32(const AttentionKeyShape& shape, const Call& call) {
  const auto& at = call.operands;
  const AttentionSize size = attention_size(shape);
  if (call.key.op == KernelOp::attention_forward) {
    launch_attention_forward(
        stream_, size, {.qkv = floats(at[0]), .out = floats(at[1]), .lse = floats(at[2])});
  } else if (call.key.op == KernelOp::attention_backward) {
    const auto rows = static_cast<std::size_t>(shape.batch * shape.heads * shape.length);
    launch_attention_backward(stream_,
                              size,
                              {.qkv = floats(at[0]),
                               .out = floats(at[1]),
                               .lse = floats(at[2]),
                               .d_out = floats(at[3]),
                               .d_qkv = floats(at[4]),
                               .delta = floats(scratch_.at_least(rows * sizeof(float)))});
  } else {
    fail_mismatch(call.key);
  }
}

void KernelLauncher::start(const RowsShape& shape, const Call& call) {
  switch (call.key.op) {
    case KernelOp::rms_norm_forward:
    case KernelOp::rms_norm_backward:
    case KernelOp::layer_norm_forward:
    case KernelOp::layer_norm_backward:
      start_norm(shape, call);
      break;
    case KernelOp::swiglu_forward:
    case KernelOp::swiglu_backward:
    case KernelOp::gelu_forward:
    case KernelOp::gelu_backward:
      start_activation(shape, call);
      break;
    case KernelOp::add:
    case KernelOp::bias_forward:
    case KernelOp::bias_backward:
      start_elementwise(shape, call);
      break;
    default:
      start_cross_entropy(shape, call);
  }
}

void KernelLauncher::start_norm(const RowsShape& shape, const Call& call) {
  const auto& at = call.operands;
  const NormSize size{.type = call.key.type, .rows = shape.rows, .columns = shape.columns};
  const auto epsilon = static_cast<float>(call.scalars.norm_epsilon);
  if (call.key.op == KernelOp::rms_norm_forward) {
    launch_rms_norm_forward(stream_, size, {at[0], at[1], nullptr, at[2], floats(at[3]), epsilon});
  } else if (call.key.op == KernelOp::layer_norm_forward) {
    launch_layer_norm_forward(stream_, size, {at[0], at[1], at[2], at[3], floats(at[4]), epsilon});
  } else if (call.key.op == KernelOp::rms_norm_backward) {
    launch_rms_norm_backward(stream_,
                             size,
                             {.x = at[0],
                              .weight = at[1],
                              .stats = floats(at[2]),
                              .dy = at[3],
                              .dx = at[4],
                              .d_weight = floats(at[5]),
                              .d_bias = nullptr,
                              .scratch = column_scratch(1, shape.rows, shape.columns)});
  } else {
    launch_layer_norm_backward(stream_,
                               size,
                               {.x = at[0],
                                .weight = at[1],
                                .stats = floats(at[2]),
                                .dy = at[3],
                                .dx = at[4],
                                .d_weight = floats(at[5]),
                                .d_bias = floats(at[6]),
                                .scratch = column_scratch(2, shape.rows, shape.columns)});
  }
}

void KernelLauncher::start_activation(const RowsShape& shape, const Call& call) const {
  const auto& at = call.operands;
  const ActivationSize size{.type = call.key.type, .rows = shape.rows, .columns = shape.columns};
  if (call.key.op == KernelOp::swiglu_forward) {
    launch_swiglu_forward(stream_, size, at[0], at[1]);
  } else if (call.key.op == KernelOp::swiglu_backward) {
    launch_swiglu_backward(stream_, size, at[0], at[1], at[2]);
  } else if (call.key.op == KernelOp::gelu_forward) {
    launch_gelu_forward(stream_, size, at[0], at[1]);
  } else {
    launch_gelu_backward(stream_, size, at[0], at[1], at[2]);
  }
}

void KernelLauncher::start_elementwise(const RowsShape& shape, const Call& call) {
  const auto& at = call.operands;
  const ElementwiseSize size{.type = call.key.type, .rows = shape.rows, .columns = shape.columns};
  if (call.key.op == KernelOp::add) {
    launch_add(stream_, size, at[0], at[1], at[2]);
  } else if (call.key.op == KernelOp::bias_forward) {
    launch_bias_forward(stream_, size, at[0], at[1]);
  } else {
    launch_bias_backward(
        stream_, size, at[0], floats(at[1]), column_scratch(1, shape.rows, shape.columns));
  }
}

void KernelLauncher::start_cross_entropy(const RowsShape& shape, const Call& call) const {
  const auto& at = call.operands;
  const LogitsSize size{.type = call.key.type,
                        .rows = shape.rows,
                        .columns = shape.columns,
                        .valid = std::clamp<std::int64_t>(call.scalars.valid, 0, shape.columns),
                        .first = call.scalars.first};
  if (call.key.op == KernelOp::cross_entropy_max) {
    launch_cross_entropy_max(stream_, size, at[0], floats(at[1]));
  } else if (call.key.op == KernelOp::cross_entropy_sum) {
    launch_cross_entropy_sum(stream_, size, {at[0], floats(at[1]), integers(at[2]), floats(at[3])});
  } else if (call.key.op == KernelOp::cross_entropy_gradient) {
    launch_cross_entropy_gradient(stream_,
                                  size,
                                  {.logits = at[0],
                                   .row_max = floats(at[1]),
                                   .sums = floats(at[2]),
                                   .targets = integers(at[3]),
                                   .loss = floats(at[4]),
                                   .scale = static_cast<float>(call.scalars.scale)});
  } else {
    fail_mismatch(call.key);
  }
}

void KernelLauncher::start(const HeadsShape& shape, const Call& call) {
  const auto& at = call.operands;
  const HeadNormSize norm{
      call.key.type, shape.tokens, shape.heads, shape.kv_heads, shape.head_size};
  const RopeSize rope{.type = call.key.type,
                      .tokens = shape.tokens,
                      .batch = shape.batch,
                      .heads = shape.heads,
                      .kv_heads = shape.kv_heads,
                      .head_size = shape.head_size,
                      .first = call.scalars.first};
  if (call.key.op == KernelOp::rope_forward) {
    launch_rope(stream_, rope, at[0], call.scalars.rope_theta, Rotation::forward);
  } else if (call.key.op == KernelOp::rope_backward) {
    launch_rope(stream_, rope, at[0], call.scalars.rope_theta, Rotation::backward);
  } else if (call.key.op == KernelOp::qk_norm_forward) {
    const auto epsilon = static_cast<float>(call.scalars.norm_epsilon);
    launch_qk_norm_forward(stream_, norm, {at[0], at[1], at[2], at[3], floats(at[4]), epsilon});
  } else if (call.key.op == KernelOp::qk_norm_backward) {
    launch_qk_norm_backward(
        stream_,
        norm,
        {.qkv = at[0],
         .q_weight = at[1],
         .k_weight = at[2],
         .rstd = floats(at[3]),
         .d_qkv = at[4],
         .dq_weight = floats(at[5]),
         .dk_weight = floats(at[6]),
         .scratch = column_scratch(1, shape.tokens * shape.heads, shape.head_size)});
  } else {
    fail_mismatch(call.key);
  }
}

void KernelLauncher::start(const TableShape& shape, const Call& call) const {
  const auto& at = call.operands;
  const TableSize size{.type = call.key.type,
                       .tokens = shape.tokens,
                       .batch = shape.batch,
                       .columns = shape.columns,
                       .table_rows = shape.table_rows,
                       .first = call.scalars.first};
  if (call.key.op == KernelOp::embedding_forward) {
    launch_embedding_forward(stream_, size, integers(at[0]), at[1], at[2]);
  } else if (call.key.op == KernelOp::embedding_backward) {
    launch_embedding_backward(stream_, size, integers(at[0]), at[1], floats(at[2]));
  } else if (call.key.op == KernelOp::position_forward) {
    launch_position_forward(stream_, size, at[0], at[1]);
  } else if (call.key.op == KernelOp::position_backward) {
    launch_position_backward(stream_, size, at[0], floats(at[1]));
  } else {
    fail_mismatch(call.key);
  }
}

void KernelLauncher::start(const FlatShape& shape, const Call& call) const {
  const auto& at = call.operands;
  if (call.key.op == KernelOp::copy) {
    const auto bytes =
        static_cast<std::size_t>(shape.elements) * (call.key.type == DataType::bf16 ? 2 : 4);
    FORERUN_CUDA_CHECK(cudaMemcpyAsync(at[1], at[0], bytes, cudaMemcpyDeviceToDevice, stream_));
  } else if (call.key.op == KernelOp::zero) {
    const auto bytes =
        static_cast<std::size_t>(shape.elements) * (call.key.type == DataType::bf16 ? 2 : 4);
    FORERUN_CUDA_CHECK(cudaMemsetAsync(at[0], 0, bytes, stream_));
  } else if (call.key.op == KernelOp::adamw) {
    launch_adamw(stream_,
                 {.gradient = floats(at[0]),
                  .master = floats(at[1]),
                  .m = floats(at[2]),
                  .v = floats(at[3]),
                  .weight = call.key.type == DataType::bf16 ? at[4] : nullptr,
                  .elements = shape.elements},
                 factors_of(call.scalars.adamw));
  } else {
    fail_mismatch(call.key);
  }
}

}  // namespace forerun::cuda
