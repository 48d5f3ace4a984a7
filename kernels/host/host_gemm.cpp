// Matrix products: fp32, bf16 natively or by way of fp32, and those of few rows.
#include "kernels/host/host_gemm.hpp"

#include <array>

#include <dnnl.hpp>

#include "kernels/host/decode_kernels.hpp"
#include "kernels/host/parallel_ranges.hpp"

namespace forerun::host {
namespace {

const float* converted(const TypedArray& from, std::int64_t count, FloatScratch& scratch) {
  float* to = scratch.at_least(count);
  parallel_ranges(count, 1, [&](const ThreadRange& range) {
    from.read_into(to + range.first, range.first, range.last - range.first);
  });
  return to;
}

}  // namespace

Bf16Gemm fastest_bf16_gemm() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  // The levels are bit sets that include those below them.
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (isa & needed) == needed ? Bf16Gemm::native : Bf16Gemm::converted;
}

bool HostGemm::has_few_rows(const GemmShape& shape) {
  return shape.m <= most_gemv_rows && shape.layout == GemmLayout::nt &&
         shape.output == GemmOutput::store;
}

void HostGemm::prepare(const KernelCall& call) {
  const auto& shape = call.shape<GemmShape>();
  if (call.key.type == DataType::fp32 && !has_few_rows(shape)) {
    fp32_.prepare(shape, {call.floats(0), call.floats(1), call.floats(2)});
  }
}

void HostGemm::run(const KernelCall& call) {
  if (has_few_rows(call.shape<GemmShape>())) {
    gemv(call);
  } else if (call.key.type == DataType::fp32) {
    fp32_.run(call.shape<GemmShape>(), {call.floats(0), call.floats(1), call.floats(2)});
  } else if (bf16_ == Bf16Gemm::native) {
    run_native(call);
  } else {
    run_converted(call);
  }
}

void HostGemm::run_converted(const KernelCall& call) {
  const auto& s = call.shape<GemmShape>();
  const bool stores = s.output == GemmOutput::store;
  const std::int64_t outputs = s.m * s.n;
  float* c = stores ? c_.at_least(outputs) : call.floats(2);
  fp32_.run(s,
            {.a = converted(call.array(0), s.m * s.k, a_),
             .b = converted(call.array(1), s.k * s.n, b_),
             .c = c});
  if (stores) {
    parallel_ranges(outputs, 1, [&](const ThreadRange& range) {
      call.array(2).commit(range.first, range.last - range.first, c + range.first);
    });
  }
}

Matmul& HostGemm::native(const GemmShape& shape) {
  auto found = native_.find(shape);
  if (found == native_.end()) {
    found = native_.emplace(shape, Matmul(shape, DataType::bf16)).first;
  }
  return found->second;
}

void HostGemm::run_native(const KernelCall& call) {
  native(call.shape<GemmShape>()).run(call.operands[0], call.operands[1], call.operands[2]);
}

Bytes HostGemm::scratch(const KernelKey& key) const {
  const auto& s = std::get<GemmShape>(key.shape);
  if (has_few_rows(s)) {
    return {};
  }
  const auto [m, n, k] =
      std::array{static_cast<double>(s.m), static_cast<double>(s.n), static_cast<double>(s.k)};
  const bool adds = s.output == GemmOutput::accumulate_fp32;
  double elements = 0.0;
  if (key.type == DataType::fp32) {
    elements = adds ? m * n : 0.0;
  } else if (bf16_ == Bf16Gemm::converted) {
    elements = m * k + k * n + (adds ? 0.0 : m * n);
  }
  return elements * size_of(DataType::fp32);
}

std::string HostGemm::algorithm_of(const KernelKey& key) {
  if (has_few_rows(std::get<GemmShape>(key.shape))) {
    return "gemv";
  }
  if (key.type == DataType::bf16 && bf16_ == Bf16Gemm::native) {
    return native(std::get<GemmShape>(key.shape)).implementation();
  }
  return fp32_.algorithm_of(std::get<GemmShape>(key.shape));
}

}  // namespace forerun::host
