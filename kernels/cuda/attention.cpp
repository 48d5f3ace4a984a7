// Binding operands to the slots of cuDNN's attention plans.
#include "kernels/cuda/attention.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "kernels/cuda/attention_graph.hpp"
#include "kernels/cuda/library_check.hpp"

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
  explicit HostValues(const AttentionKeyShape& shape)
      : scale(1.0F / std::sqrt(static_cast<float>(shape.head_size))),
        length(static_cast<std::int32_t>(shape.length)),
        keys(static_cast<std::int32_t>(key_length(shape))),
        left_bound(static_cast<float>(shape.window - shape.offset)) {}

  float scale;
  std::int32_t length;
  std::int32_t keys;
  float left_bound;
  float minus_infinity = -std::numeric_limits<float>::infinity();
  float one = 1.0F;
};

/// Slots of q, k and v or of their gradients.
struct ThreeSlots {
  AttentionSlot q;
  AttentionSlot k;
  AttentionSlot v;
};

/// The first operands: packed rows or three arrays.
void bind_rows(std::vector<Binding>& bindings,
               const ThreeSlots& slots,
               std::span<void* const> operands,
               const AttentionKeyShape& shape) {
  void* rows = operands[0];
  const bool packed = is_packed(shape);
  const std::int64_t q_width = shape.heads * shape.head_size;
  const std::int64_t k_width = shape.kv_heads * shape.head_size;
  bindings.push_back(binding(slots.q, rows));
  bindings.push_back(binding(slots.k, packed ? advanced(rows, q_width) : operands[1]));
  bindings.push_back(binding(slots.v, packed ? advanced(rows, q_width + k_width) : operands[2]));
}

void bind_common(std::vector<Binding>& bindings,
                 HostValues& values,
                 const AttentionKeyShape& shape) {
  const FusedMask mask = fused_mask(shape);
  bindings.push_back(binding(AttentionSlot::scale, &values.scale));
  if (mask.ends_together) {
    bindings.push_back(binding(AttentionSlot::length, &values.length));
    bindings.push_back(binding(AttentionSlot::keys, &values.keys));
  }
  if (mask.has_window) {
    bindings.push_back(binding(AttentionSlot::left_bound, &values.left_bound));
  }
  if (mask.is_causal || mask.has_window) {
    bindings.push_back(binding(AttentionSlot::minus_infinity, &values.minus_infinity));
  }
}

DnnHandle make_handle(cudaStream_t stream) {
  cudnnHandle_t raw = nullptr;
  FORERUN_CUDA_CHECK(cudnnCreate(&raw));
  DnnHandle handle(raw);
  FORERUN_CUDA_CHECK(cudnnSetStream(raw, stream));
  return handle;
}

int compute_major(int ordinal) {
  int major = 0;
  FORERUN_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal));
  return major;
}

}  // namespace

AttentionRunner::AttentionRunner(int ordinal, cudaStream_t stream)
    : handle_(make_handle(stream)),
      device_(device_properties(ordinal)),
      place_{compute_major(ordinal), cudnnGetVersion()} {}

std::optional<std::string> AttentionRunner::refuses(KernelOp op,
                                                    const AttentionKeyShape& shape) const {
  return fused_attention_refusal(op, shape, place_);
}

const DnnPlan& AttentionRunner::plan_for(const KernelKey& key) {
  const auto known = plans_.find(key);
  if (known != plans_.end()) {
    return known->second;
  }
  const auto& shape = std::get<AttentionKeyShape>(key.shape);
  DnnGraph graph = key.op == KernelOp::attention_forward ? attention_forward_graph(shape)
                                                         : attention_backward_graph(shape);
  return plans_.emplace(key, DnnPlan(std::move(graph), device_)).first->second;
}

void AttentionRunner::run(const KernelKey& key, std::span<void* const> operands, Scratch& scratch) {
  if (key.op == KernelOp::attention_forward) {
    forward(key, operands, scratch);
  } else {
    backward(key, operands, scratch);
  }
}

void AttentionRunner::forward(const KernelKey& key,
                              std::span<void* const> operands,
                              Scratch& scratch) {
  const auto& shape = std::get<AttentionKeyShape>(key.shape);
  const DnnPlan& plan = plan_for(key);
  const std::size_t out = is_packed(shape) ? 1 : 3;
  HostValues values(shape);
  std::vector<Binding> bindings;
  bind_rows(bindings, {AttentionSlot::q, AttentionSlot::k, AttentionSlot::v}, operands, shape);
  bind_common(bindings, values, shape);
  bindings.push_back(binding(AttentionSlot::out, operands[out]));
  bindings.push_back(binding(AttentionSlot::stats, operands[out + 1]));
  plan.execute(handle_.raw(), bindings, scratch.at_least(plan.workspace_bytes()));
}

void AttentionRunner::backward(const KernelKey& key,
                               std::span<void* const> operands,
                               Scratch& scratch) {
  const auto& shape = std::get<AttentionKeyShape>(key.shape);
  const DnnPlan& plan = plan_for(key);
  const std::size_t out = is_packed(shape) ? 1 : 3;
  const auto rows = static_cast<std::size_t>(shape.batch * shape.heads * shape.length);
  const std::size_t delta_bytes = aligned(rows * sizeof(float));
  const std::size_t sum_bytes =
      aligned(rows * static_cast<std::size_t>(shape.head_size) * sizeof(float));
  auto* memory =
      static_cast<std::byte*>(scratch.at_least(delta_bytes + sum_bytes + plan.workspace_bytes()));
  HostValues values(shape);
  std::vector<Binding> bindings;
  bind_rows(bindings, {AttentionSlot::q, AttentionSlot::k, AttentionSlot::v}, operands, shape);
  bind_rows(bindings,
            {AttentionSlot::d_q, AttentionSlot::d_k, AttentionSlot::d_v},
            operands.subspan(out + 3),
            shape);
  bind_common(bindings, values, shape);
  bindings.push_back(binding(AttentionSlot::one, &values.one));
  bindings.push_back(binding(AttentionSlot::out, operands[out]));
  bindings.push_back(binding(AttentionSlot::stats, operands[out + 1]));
  bindings.push_back(binding(AttentionSlot::d_out, operands[out + 2]));
  bindings.push_back(binding(AttentionSlot::delta, memory));
  bindings.push_back(binding(AttentionSlot::d_q_sum, memory + delta_bytes));
  plan.execute(handle_.raw(), bindings, memory + delta_bytes + sum_bytes);
}

}  // namespace forerun::cuda
