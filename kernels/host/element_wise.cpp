// Residual addition, biases and copies.
#include <cstddef>
#include <cstring>

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/residual_sum.hpp"
#include "kernels/host/row_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// `out` may be one of the inputs.
FORERUN_MULTIVERSION void add_runs(const float* a, const float* b, float* out, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = a[i] + b[i];
  }
}

}  // namespace

const float* stored_sum(const KernelCall& call, std::size_t sum, std::int64_t row, float* buffer) {
  const std::int64_t n = call.shape<RowsShape>().columns;
  const TypedArray total = call.array(sum);
  const float* a = call.array(0).read(row * n, n, buffer);
  const float* b = call.array(1).read(row * n, n, buffer + n);
  float* out = total.target(row * n, buffer + 2 * n);
  add_runs(a, b, out, n);
  total.commit(row * n, n, out);
  return total.read(row * n, n, buffer + 2 * n);
}

void add(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray total = call.array(2);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* a = call.array(0).read(row * n, n, buffer.data());
      const float* b = call.array(1).read(row * n, n, buffer.data() + n);
      float* out = total.target(row * n, buffer.data() + 2 * n);
      add_runs(a, b, out, n);
      total.commit(row * n, n, out);
    }
  });
}

void bias_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(1);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * n);
    const float* bias = call.array(0).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      float* out = y.open(row * n, n, buffer.data() + n);
      accumulate(bias, out, n);
      y.commit(row * n, n, out);
    }
  });
}

void bias_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  ColumnSums d_bias(n);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      accumulate(call.array(0).read(row * n, n, buffer.data()), d_bias.of(range.thread), n);
    }
  });
  d_bias.add_to(call.floats(1));
}

void zero(const KernelCall& call) {
  const auto bytes_each = static_cast<std::int64_t>(element_bytes(call.key.type));
  auto* values = static_cast<std::byte*>(call.operands[0]);
  parallel_ranges(call.shape<FlatShape>().elements, 1, [&](const ThreadRange& range) {
    const std::int64_t bytes = (range.last - range.first) * bytes_each;
    std::memset(values + range.first * bytes_each, 0, static_cast<std::size_t>(bytes));
  });
}

void copy(const KernelCall& call) {
  const auto bytes_each = static_cast<std::int64_t>(element_bytes(call.key.type));
  const auto* from = static_cast<const std::byte*>(call.operands[0]);
  auto* to = static_cast<std::byte*>(call.operands[1]);
  parallel_ranges(call.shape<FlatShape>().elements, 1, [&](const ThreadRange& range) {
    const std::int64_t first = range.first * bytes_each;
    const std::int64_t bytes = (range.last - range.first) * bytes_each;
    std::memcpy(to + first, from + first, static_cast<std::size_t>(bytes));
  });
}

}  // namespace forerun::host
