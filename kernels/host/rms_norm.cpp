// RMSNorm over rows.

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/residual_sum.hpp"
#include "kernels/host/rms_row.hpp"
#include "kernels/host/row_kernels.hpp"

namespace forerun::host {

namespace {

// Operands of the plain kernel and of the one behind an addition, by position.
struct RmsOperands {
  bool has_sum;  ///< x is formed here, from operands 0 and 1
  std::size_t x;
  std::size_t weight;
  std::size_t y;
  std::size_t rstd;
};

void rms_normalise_rows(const KernelCall& call, const RmsOperands& at) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray x = call.array(at.x);
  const TypedArray y = call.array(at.y);
  float* rstd = call.floats(at.rstd);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(5 * n);
    const float* weight = call.array(at.weight).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* in = at.has_sum ? stored_sum(call, at.x, row, buffer.data() + 2 * n)
                                   : x.read(row * n, n, buffer.data() + 2 * n);
      float* out = y.target(row * n, buffer.data() + n);
      rstd[row] = rms_rstd(in, n, call.scalars.norm_epsilon);
      rms_scale(in, weight, rstd[row], out, n);
      y.commit(row * n, n, out);
    }
  });
}

// The gradient of the sum that reaches it past the norm is operand 4 of the kernel behind an
// addition, which has all that follows one place later.
void rms_differentiate_rows(const KernelCall& call, bool has_sum) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray x = call.array(0);
  const float* rstd = call.floats(2);
  const TypedArray dy = call.array(3);
  const TypedArray dx = call.array(has_sum ? 5 : 4);
  ColumnSums d_weight(n);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(5 * n);
    const float* weight = call.array(1).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const RmsRow inputs{.x = x.read(row * n, n, buffer.data() + n),
                          .weight = weight,
                          .dy = dy.read(row * n, n, buffer.data() + 2 * n),
                          .rstd = rstd[row],
                          .count = n};
      float* out = dx.target(row * n, buffer.data() + 3 * n);
      rms_backward(inputs, out, d_weight.of(range.thread));
      if (has_sum) {
        accumulate(call.array(4).read(row * n, n, buffer.data() + 4 * n), out, n);
      }
      dx.commit(row * n, n, out);
    }
  });
  d_weight.add_to(call.floats(has_sum ? 6 : 5));
}

}  // namespace

void rms_norm_forward(const KernelCall& call) {
  rms_normalise_rows(call, {.has_sum = false, .x = 0, .weight = 1, .y = 2, .rstd = 3});
}

void add_rms_norm_forward(const KernelCall& call) {
  rms_normalise_rows(call, {.has_sum = true, .x = 3, .weight = 2, .y = 4, .rstd = 5});
}

void rms_norm_backward(const KernelCall& call) {
  rms_differentiate_rows(call, false);
}

void add_rms_norm_backward(const KernelCall& call) {
  rms_differentiate_rows(call, true);
}

}  // namespace forerun::host
