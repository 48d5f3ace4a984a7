// Products of a few rows with a weight matrix that is read once.
#include <algorithm>

#include "kernels/host/decode_kernels.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION float dot_bf16(const float* x, const Bf16* y, std::int64_t count) {
  float total = 0.0F;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    total += x[i] * widened(y[i]);
  }
  return total;
}

}  // namespace

void gemv(const KernelCall& call) {
  const auto& s = call.shape<GemmShape>();
  const bool is_bf16 = call.key.type == DataType::bf16;
  FloatScratch rows;
  float* a = rows.at_least(s.m * s.k);
  call.array(0).read_into(a, 0, s.m * s.k);
  const TypedArray c = call.array(2);
  parallel_ranges(s.n, s.k, [&](const ThreadRange& range) {
    const std::int64_t count = range.last - range.first;
    const RunBuffer result(s.m * count);
    for (std::int64_t j = range.first; j < range.last; ++j) {
      for (std::int64_t i = 0; i < s.m; ++i) {
        const float* x = a + i * s.k;
        result.data()[i * count + j - range.first] =
            is_bf16 ? dot_bf16(x, static_cast<const Bf16*>(call.operands[1]) + j * s.k, s.k)
                    : dot(x, static_cast<const float*>(call.operands[1]) + j * s.k, s.k);
      }
    }
    for (std::int64_t i = 0; i < s.m; ++i) {
      c.commit(i * s.n + range.first, count, result.data() + i * count);
    }
  });
}

}  // namespace forerun::host
