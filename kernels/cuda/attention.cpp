// Binding packed rows to the slots of cuDNN's attention plans.
#include "kernels/cuda/attention.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "kernels/cuda/attention_graph.hpp"
#include "kernels/cuda/check.hpp"

namespace forerun::cuda {

namespace {

constexpr std::int64_t bf16_bytes = 2;

/// `count` bf16 elements further on.
void* advanced(void* rows, std::int64_t count) {
  return static_cast<std::byte*>(rows) + count * bf16_bytes;
}

Binding binding(AttentionSlot slot, void* memory) {
  return {static_cast<std::int64_t>(slot), memory};
}

/// The host values that a graph reads while it is enqueued.
struct HostValues {
  explicit HostValues(std::int64_t head_size)
      : scale(1.0F / std::sqrt(static_cast<float>(head_size))) {}

  float scale;
  float minus_infinity = -std::numeric_limits<float>::infinity();
  float one = 1.0F;
};

/// Slots of the three parts of packed rows.
struct PackedSlots {
  AttentionSlot q;
  AttentionSlot k;
  AttentionSlot v;
};

void bind_packed(std::vector<Binding>& bindings,
                 const PackedSlots& slots,
                 void* rows,
                 const AttentionKeyShape& shape) {
  bindings.push_back(binding(slots.q, rows));
  bindings.push_back(binding(slots.k, advanced(rows, shape.heads * shape.head_size)));
  bindings.push_back(
      binding(slots.v, advanced(rows, (shape.heads + shape.kv_heads) * shape.head_size)));
}

void bind_common(std::vector<Binding>& bindings,
                 HostValues& values,
                 const AttentionKeyShape& shape) {
  bindings.push_back(binding(AttentionSlot::scale, &values.scale));
  if (shape.mask == Mask::causal) {
    bindings.push_back(binding(AttentionSlot::minus_infinity, &values.minus_infinity));
  }
}

std::size_t aligned(std::size_t bytes) {
  constexpr std::size_t alignment = 256;
  return (bytes + alignment - 1) / alignment * alignment;
}

DnnHandle make_handle(cudaStream_t stream) {
  cudnnHandle_t raw = nullptr;
  FORERUN_CUDA_CHECK(cudnnCreate(&raw));
  DnnHandle handle(raw);
  FORERUN_CUDA_CHECK(cudnnSetStream(raw, stream));
  return handle;
}

}  // namespace

AttentionRunner::AttentionRunner(int ordinal, cudaStream_t stream)
    : handle_(make_handle(stream)), device_(device_properties(ordinal)) {
  FORERUN_CUDA_CHECK(
      cudaDeviceGetAttribute(&compute_major_, cudaDevAttrComputeCapabilityMajor, ordinal));
}

std::optional<std::string> AttentionRunner::refuses(const AttentionKeyShape& shape) const {
  // The limits of cudnn-frontend 1.23 for cuDNN 9 (sdpa_support_surface.h and the backward node).
  constexpr int hopper = 9;
  constexpr int ampere = 8;
  const std::int64_t largest_head = compute_major_ == hopper ? 256 : 128;
  if (compute_major_ < ampere) {
    return "cuDNN's fused attention needs compute capability 8.0 or newer";
  }
  if (shape.head_size % 8 != 0 || shape.head_size > largest_head) {
    return fmt::format("cuDNN's fused attention takes head sizes up to {} in steps of 8, not {}",
                       largest_head,
                       shape.head_size);
  }
  if (shape.batch < 1 || shape.length < 2) {
    return "cuDNN's fused attention takes one sequence or more of two tokens or more";
  }
  return std::nullopt;
}

void AttentionRunner::forward(const AttentionKeyShape& shape,
                              std::span<void* const> operands,
                              Scratch& scratch) {
  auto plan = forward_plans_.find(shape);
  if (plan == forward_plans_.end()) {
    plan = forward_plans_.emplace(shape, DnnPlan(attention_forward_graph(shape), device_)).first;
  }
  HostValues values(shape.head_size);
  std::vector<Binding> bindings;
  bind_packed(bindings, {AttentionSlot::q, AttentionSlot::k, AttentionSlot::v}, operands[0], shape);
  bind_common(bindings, values, shape);
  bindings.push_back(binding(AttentionSlot::out, operands[1]));
  bindings.push_back(binding(AttentionSlot::stats, operands[2]));
  plan->second.execute(handle_.raw(), bindings, scratch.at_least(plan->second.workspace_bytes()));
}

void AttentionRunner::backward(const AttentionKeyShape& shape,
                               std::span<void* const> operands,
                               Scratch& scratch) {
  auto plan = backward_plans_.find(shape);
  if (plan == backward_plans_.end()) {
    plan = backward_plans_.emplace(shape, DnnPlan(attention_backward_graph(shape), device_)).first;
  }
  const auto rows = static_cast<std::size_t>(shape.batch * shape.heads * shape.length);
  const std::size_t delta_bytes = aligned(rows * sizeof(float));
  const std::size_t sum_bytes =
      aligned(rows * static_cast<std::size_t>(shape.head_size) * sizeof(float));
  auto* memory = static_cast<std::byte*>(
      scratch.at_least(delta_bytes + sum_bytes + plan->second.workspace_bytes()));
  HostValues values(shape.head_size);
  std::vector<Binding> bindings;
  bind_packed(bindings, {AttentionSlot::q, AttentionSlot::k, AttentionSlot::v}, operands[0], shape);
  bind_packed(
      bindings, {AttentionSlot::d_q, AttentionSlot::d_k, AttentionSlot::d_v}, operands[4], shape);
  bind_common(bindings, values, shape);
  bindings.push_back(binding(AttentionSlot::one, &values.one));
  bindings.push_back(binding(AttentionSlot::out, operands[1]));
  bindings.push_back(binding(AttentionSlot::stats, operands[2]));
  bindings.push_back(binding(AttentionSlot::d_out, operands[3]));
  bindings.push_back(binding(AttentionSlot::delta, memory));
  bindings.push_back(binding(AttentionSlot::d_q_sum, memory + delta_bytes));
  plan->second.execute(handle_.raw(), bindings, memory + delta_bytes + sum_bytes);
}

}  // namespace forerun::cuda
