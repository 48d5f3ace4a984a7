// Which keys our own kernels take, and the way to the function that starts them.
#include "kernels/cuda/own_kernels.hpp"

#include <stdexcept>
#include <variant>

#include <fmt/format.h>

#include "kernels/cuda/attention_launch.hpp"
#include "kernels/cuda/check.hpp"
#include "kernels/cuda/decode_launch.hpp"
#include "kernels/cuda/experts_launch.hpp"
#include "kernels/cuda/own_call.hpp"
#include "kernels/cuda/scan_launch.hpp"
#include "kernels/valid_key.hpp"
#include "units/integer.hpp"

namespace forerun::cuda {

namespace {

using Refusal = std::optional<std::string>;

/// Blocks in the second and third dimension of any GPU's grid (CUDA C++ Programming Guide, table of
/// technical specifications).
constexpr std::int64_t most_blocks = 65535;

Refusal above(std::string_view what, std::int64_t value, std::int64_t most) {
  if (value <= most) {
    return std::nullopt;
  }
  return fmt::format("our CUDA kernel takes {} up to {}, not {}", what, most, value);
}

Refusal first_of(std::initializer_list<Refusal> refusals) {
  for (const Refusal& refusal : refusals) {
    if (refusal) {
      return refusal;
    }
  }
  return std::nullopt;
}

Refusal wrong_type(const KernelKey& key, std::string_view expected) {
  return fmt::format("{} runs in {}, not in {}", name_of(key.op), expected, name_of(key.type));
}

Refusal wrong_type(const KernelKey& key) {
  const bool is_float = key.type == DataType::bf16 || key.type == DataType::fp32;
  switch (key.op) {
    case KernelOp::cast:
      return is_fp8(key.type) ? Refusal() : wrong_type(key, "fp8_e4m3 and fp8_e5m2");
    case KernelOp::expert_sort:
      return key.type == DataType::int32 ? Refusal() : wrong_type(key, "int32");
    case KernelOp::copy:
    case KernelOp::zero:
      return std::nullopt;
    default:
      return is_float ? Refusal() : wrong_type(key, "bf16 and fp32");
  }
}

bool is_library_product(KernelOp op) {
  switch (op) {
    case KernelOp::scores_forward:
    case KernelOp::context_forward:
    case KernelOp::context_backward:
    case KernelOp::scores_backward:
      return true;
    default:
      return false;
  }
}

struct Limits {
  KernelOp op;

  Refusal operator()(const GemmShape& /*shape*/) const {
    return "matrix products are not among our own CUDA kernels";
  }

  Refusal operator()(const GroupedGemmShape& s) const {
    constexpr std::int64_t tile = 128;
    return first_of({above("groups", s.groups, most_blocks),
                     above("tiles of 128 rows", s.rows / tile + s.groups, most_blocks),
                     above("rows of weights", s.n, most_blocks * tile)});
  }

  Refusal operator()(const AttentionKeyShape& s) const {
    if (is_library_product(op)) {
      return "matrix products are not among our own CUDA kernels";
    }
    if (op == KernelOp::softmax_forward || op == KernelOp::softmax_backward) {
      return std::nullopt;
    }
    return first_of({above("heads of size", s.head_size, largest_own_head_size),
                     above("values of size", value_size(s), largest_own_head_size),
                     above("heads of all sequences", s.batch * s.heads, most_blocks)});
  }

  Refusal operator()(const DecodeShape& s) const {
    return first_of({above("heads of size", s.head_size, largest_decode_head),
                     above("values of size", value_size(s), largest_decode_head),
                     above("heads of all sequences", s.batch * s.kv_heads, most_blocks)});
  }

  Refusal operator()(const RouterShape& s) const {
    return above("experts", s.experts, most_experts);
  }

  Refusal operator()(const SsdShape& s) const {
    const std::int64_t chunk = scan_chunk(s.chunk, s.length);
    return first_of({above("a state of", s.state, largest_state),
                     above("sequences", s.batch, most_blocks),
                     above("chunks", ceil_div(s.length, chunk), most_blocks)});
  }

  Refusal operator()(const ScanShape& s) const {
    return first_of(
        {above("a state of", s.state, largest_state), above("sequences", s.batch, most_blocks)});
  }

  Refusal operator()(const RowsShape& s) const {
    constexpr std::int64_t tile = 64;
    switch (op) {
      case KernelOp::row_gate_forward:
      case KernelOp::row_gate_backward:
      case KernelOp::sigmoid_gate_forward:
      case KernelOp::sigmoid_gate_backward:
        return "there is no CUDA kernel of it";
      default:
        break;
    }
    return op == KernelOp::cast ? above("rows", s.rows, most_blocks * tile) : std::nullopt;
  }

  Refusal operator()(const DeltaShape& /*shape*/) const { return "there is no CUDA kernel of it"; }

  Refusal operator()(const GroupedRowsShape& /*shape*/) const {
    return "there is no CUDA kernel of it";
  }

  Refusal operator()(const ColumnsShape& /*shape*/) const {
    return "there is no CUDA kernel of it";
  }

  Refusal operator()(const LatentHeadsShape& /*shape*/) const {
    return "there is no CUDA kernel of it";
  }

  Refusal operator()(const auto& /*shape*/) const { return std::nullopt; }
};

}  // namespace

void fail_mismatch(const KernelKey& key) {
  throw std::invalid_argument("operation and shape do not belong together: " + text_of(key));
}

void start(const OwnCall& call, const GemmShape& /*shape*/) {
  fail_mismatch(call.key);
}

void start(const OwnCall& call, const DeltaShape& /*shape*/) {
  fail_mismatch(call.key);
}

void start(const OwnCall& call, const GroupedRowsShape& /*shape*/) {
  fail_mismatch(call.key);
}

void start(const OwnCall& call, const ColumnsShape& /*shape*/) {
  fail_mismatch(call.key);
}

void start(const OwnCall& call, const LatentHeadsShape& /*shape*/) {
  fail_mismatch(call.key);
}

OwnKernels::OwnKernels(cudaStream_t stream) : stream_(stream) {
  FORERUN_CUDA_CHECK(prepare_attention());
  FORERUN_CUDA_CHECK(prepare_scan());
}

std::optional<std::string> OwnKernels::refuses(const KernelKey& key) {
  return first_of({contradiction_in(key), wrong_type(key), std::visit(Limits{key.op}, key.shape)});
}

void OwnKernels::launch(const KernelKey& key,
                        std::span<void* const> operands,
                        const KernelScalars& scalars) {
  const OwnCall call{key, operands, scalars, stream_, scratch_};
  std::visit([&call](const auto& shape) { start(call, shape); }, key.shape);
  FORERUN_CUDA_CHECK(cudaGetLastError());
}

}  // namespace forerun::cuda
