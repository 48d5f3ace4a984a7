// Dispatch from keys to kernels, memory, timing.
#include "kernels/host/host_device.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <omp.h>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/cpu.hpp"
#include "kernels/host/decode_kernels.hpp"
#include "kernels/host/memory_room.hpp"
#include "kernels/host/row_kernels.hpp"
#include "kernels/host/scan_kernels.hpp"
#include "kernels/host/second_operands.hpp"
#include "kernels/valid_key.hpp"
#include "units/unit.hpp"

namespace forerun::host {
namespace {

// No CPU on sale clocks higher, whatever its turbo.
constexpr double highest_hz = 6.5e9;

Bytes bytes_of_operands(const KernelKey& key) {
  Bytes sum;
  for (const Operand& operand : operands_of(key)) {
    sum += static_cast<double>(bytes_of(operand)) * unit::byte;
  }
  return sum;
}

using RowKernel = void (*)(const KernelCall&);

constexpr auto row_kernels = std::to_array<std::pair<KernelOp, RowKernel>>({
    {KernelOp::rms_norm_forward, rms_norm_forward},
    {KernelOp::rms_norm_backward, rms_norm_backward},
    {KernelOp::layer_norm_forward, layer_norm_forward},
    {KernelOp::layer_norm_backward, layer_norm_backward},
    {KernelOp::qk_norm_forward, qk_norm_forward},
    {KernelOp::qk_norm_backward, qk_norm_backward},
    {KernelOp::swiglu_forward, swiglu_forward},
    {KernelOp::swiglu_backward, swiglu_backward},
    {KernelOp::gelu_forward, gelu_forward},
    {KernelOp::gelu_backward, gelu_backward},
    {KernelOp::geglu_forward, geglu_forward},
    {KernelOp::geglu_backward, geglu_backward},
    {KernelOp::relu_forward, relu_forward},
    {KernelOp::relu_backward, relu_backward},
    {KernelOp::relu_squared_forward, relu_squared_forward},
    {KernelOp::relu_squared_backward, relu_squared_backward},
    {KernelOp::row_gate_forward, row_gate_forward},
    {KernelOp::row_gate_backward, row_gate_backward},
    {KernelOp::sigmoid_gate_forward, sigmoid_gate_forward},
    {KernelOp::sigmoid_gate_backward, sigmoid_gate_backward},
    {KernelOp::gated_norm_forward, gated_norm_forward},
    {KernelOp::gated_norm_backward, gated_norm_backward},
    {KernelOp::take_columns, take_columns},
    {KernelOp::put_columns, put_columns},
    {KernelOp::latent_query_forward, latent_query},
    {KernelOp::latent_query_backward, latent_query},
    {KernelOp::latent_keys_forward, latent_keys_forward},
    {KernelOp::latent_keys_backward, latent_keys_backward},
    {KernelOp::softcap_forward, softcap_forward},
    {KernelOp::softcap_backward, softcap_backward},
    {KernelOp::layer_norm_nobias_forward, layer_norm_nobias_forward},
    {KernelOp::layer_norm_nobias_backward, layer_norm_nobias_backward},
    {KernelOp::scale, scale},
    {KernelOp::add, add},
    {KernelOp::bias_forward, bias_forward},
    {KernelOp::bias_backward, bias_backward},
    {KernelOp::embedding_forward, embedding_forward},
    {KernelOp::embedding_backward, embedding_backward},
    {KernelOp::position_forward, position_forward},
    {KernelOp::position_backward, position_backward},
    {KernelOp::cross_entropy_max, cross_entropy_max},
    {KernelOp::cross_entropy_sum, cross_entropy_sum},
    {KernelOp::cross_entropy_gradient, cross_entropy_gradient},
    {KernelOp::adamw, adamw},
    {KernelOp::zero, zero},
    {KernelOp::copy, copy},
    {KernelOp::add_rms_norm_forward, add_rms_norm_forward},
    {KernelOp::add_rms_norm_backward, add_rms_norm_backward},
    {KernelOp::add_layer_norm_forward, add_layer_norm_forward},
    {KernelOp::add_layer_norm_backward, add_layer_norm_backward},
    {KernelOp::decode_attention, decode_attention},
    {KernelOp::latent_decode_attention, decode_attention},
    {KernelOp::conv1d_forward, conv1d_forward},
    {KernelOp::selective_scan_forward, selective_scan_forward},
    {KernelOp::selective_scan_backward, selective_scan_backward},
    {KernelOp::router_forward, router_forward},
    {KernelOp::router_backward, router_backward},
    {KernelOp::expert_sort, expert_sort},
    {KernelOp::permute_forward, permute_forward},
    {KernelOp::permute_backward, permute_backward},
    {KernelOp::unpermute_forward, unpermute_forward},
    {KernelOp::unpermute_backward, unpermute_backward},
    {KernelOp::softmax_forward, softmax_forward},
    {KernelOp::softmax_backward, softmax_backward},
    {KernelOp::dropout_forward, dropout_forward},
    {KernelOp::dropout_backward, dropout_backward},
    {KernelOp::bias_dropout_add_forward, bias_dropout_add_forward},
    {KernelOp::bias_gelu_forward, bias_gelu_forward},
    {KernelOp::bias_gelu_backward, bias_gelu_backward},
    {KernelOp::widen, widen},
    {KernelOp::narrow, narrow},
    {KernelOp::accumulate, accumulate_gradient},
    {KernelOp::square_sum, square_sum},
    {KernelOp::dequantize, dequantize},
});

void run_row_kernel(const KernelCall& call) {
  for (const auto& [op, kernel] : row_kernels) {
    if (op == call.key.op) {
      kernel(call);
      return;
    }
  }
  throw std::runtime_error("no host kernel for " + text_of(call.key));
}

bool has_kernel(KernelOp op) {
  switch (op) {
    case KernelOp::gemm:
    case KernelOp::grouped_gemm:
    case KernelOp::conv1d_backward:
    case KernelOp::ssd_forward:
    case KernelOp::ssd_backward:
    case KernelOp::attention_forward:
    case KernelOp::attention_backward:
    case KernelOp::rope_forward:
    case KernelOp::rope_backward:
    case KernelOp::scores_forward:
    case KernelOp::context_forward:
    case KernelOp::context_backward:
    case KernelOp::scores_backward:
      return true;
    default:
      return std::ranges::any_of(row_kernels, [op](const auto& row) { return row.first == op; });
  }
}

}  // namespace

HostDevice::HostDevice(const DeviceChoice& choice, Bf16Gemm bf16_gemm)
    : threads_(threads_for(choice)), local_ranks_(choice.local_ranks), gemm_(bf16_gemm) {
  omp_set_num_threads(threads_);
}

DeviceReport HostDevice::report() const {
  return {.kind = "host",
          .name = cpu_model(),
          .cores = threads_,
          .memory = node_memory() / static_cast<double>(local_ranks_),
          .last_level_cache = last_level_cache(),
          .software = {{"onednn", onednn_version()},
                       {"openmp", std::to_string(_OPENMP)},
                       {"isa", onednn_isa()},
                       {"bf16_gemm", gemm_.bf16() == Bf16Gemm::native ? "native" : "via fp32"}},
          .pci_id = {}};
}

std::optional<std::string> HostDevice::refuses(const KernelKey& key) const {
  if (!has_kernel(key.op)) {
    return fmt::format("the host has no kernel for {}", name_of(key.op));
  }
  const bool is_integer_work = key.op == KernelOp::expert_sort && key.type == DataType::int32;
  if (key.type != DataType::fp32 && key.type != DataType::bf16 && !is_integer_work) {
    return fmt::format("the host computes in bf16 and fp32, not in {}", name_of(key.type));
  }
  return contradiction_in(key);
}

void* HostDevice::allocate(std::size_t bytes) {
  return allocate_aligned(bytes);
}

void HostDevice::release(void* memory) noexcept {
  release_aligned(memory);
}

void HostDevice::copy_in(void* device, const void* host, std::size_t bytes) {
  std::memcpy(device, host, bytes);
}

void HostDevice::copy_out(void* host, const void* device, std::size_t bytes) {
  std::memcpy(host, device, bytes);
}

void HostDevice::set_zero(void* device, std::size_t bytes) {
  std::memset(device, 0, bytes);
}

void HostDevice::run(const KernelKey& key,
                     std::span<void* const> operands,
                     const KernelScalars& scalars) {
  const KernelCall call{.key = key, .operands = operands, .scalars = scalars};
  switch (key.op) {
    case KernelOp::gemm:
      gemm_.prepare(call);
      gemm_.run(call);
      break;
    case KernelOp::grouped_gemm:
      grouped_gemm_.run(call);
      break;
    case KernelOp::conv1d_backward:
      conv1d_backward_.run(call);
      break;
    case KernelOp::ssd_forward:
      ssd_.run_forward(call);
      break;
    case KernelOp::ssd_backward:
      ssd_.run_backward(call);
      break;
    case KernelOp::attention_forward:
      attention_.run_forward(call);
      break;
    case KernelOp::attention_backward:
      attention_.run_backward(call);
      break;
    case KernelOp::scores_forward:
    case KernelOp::context_forward:
    case KernelOp::context_backward:
    case KernelOp::scores_backward:
      unfused_attention_.run(call);
      break;
    case KernelOp::rope_forward:
    case KernelOp::rope_backward:
      rope_.run(call);
      break;
    default:
      run_row_kernel(call);
  }
}

std::string HostDevice::algorithm_of(const KernelKey& key) {
  return key.op == KernelOp::gemm ? gemm_.algorithm_of(key) : std::string();
}

std::optional<FlopsPerSecond> HostDevice::ceiling(DataType type) const {
  return threads_ * highest_hz * flop_per_cycle(type) * unit::flop / unit::second;
}

Seconds HostDevice::least_time(Bytes traffic) const {
  return traffic / (threads_ * highest_hz * bytes_per_cycle() * unit::byte / unit::second);
}

Bytes HostDevice::room() const {
  // A small part of what is free is about to be used again.
  constexpr double small = 0.1;
  release_kept_memory(small * memory_room());
  return memory_room() / static_cast<double>(local_ranks_);
}

Bytes HostDevice::scratch(const KernelKey& key) const {
  return key.op == KernelOp::gemm ? gemm_.scratch(key) : workspace(key);
}

std::optional<double> HostDevice::clock_hz() const {
  return host::clock_hz();
}

std::vector<Seconds> HostDevice::time_runs(const KernelKey& key,
                                           std::span<void* const> operands,
                                           int count,
                                           CacheState cache) {
  using Clock = std::chrono::steady_clock;
  const KernelScalars scalars;
  if (warm_.insert(key).second) {
    run(key, operands, scalars);
  }
  std::optional<SecondOperands> second;
  if (cache == CacheState::cold) {
    if (!flush_) {
      flush_.emplace(last_level_cache());
    }
    // Larger ones run for long enough: code that comes from memory is a hundredth of it.
    if (bytes_of_operands(key) <= flush_->size()) {
      second.emplace(key, operands);
    }
  }
  std::vector<Seconds> samples;
  samples.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    if (cache == CacheState::cold) {
      flush_->run();
    }
    if (second) {
      run(key, second->get(), scalars);
    }
    const auto start = Clock::now();
    run(key, operands, scalars);
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    samples.push_back(elapsed.count() * unit::second);
  }
  return samples;
}

}  // namespace forerun::host

forerun::Device* forerun_open_device(const forerun::DeviceChoice& choice) {
  return new forerun::host::HostDevice(choice);
}
