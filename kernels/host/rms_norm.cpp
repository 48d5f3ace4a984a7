// RMSNorm over rows.

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/rms_row.hpp"
#include "kernels/host/row_kernels.hpp"

namespace forerun::host {

void rms_norm_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray x = call.array(0);
  const TypedArray y = call.array(2);
  float* rstd = call.floats(3);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    const float* weight = call.array(1).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* in = x.read(row * n, n, buffer.data() + n);
      float* out = y.target(row * n, buffer.data() + 2 * n);
      rstd[row] = rms_rstd(in, n, call.scalars.norm_epsilon);
      rms_scale(in, weight, rstd[row], out, n);
      y.commit(row * n, n, out);
    }
  });
}

void rms_norm_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray x = call.array(0);
  const float* rstd = call.floats(2);
  const TypedArray dy = call.array(3);
  const TypedArray dx = call.array(4);
  ColumnSums d_weight(n);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(4 * n);
    const float* weight = call.array(1).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const RmsRow inputs{.x = x.read(row * n, n, buffer.data() + n),
                          .weight = weight,
                          .dy = dy.read(row * n, n, buffer.data() + 2 * n),
                          .rstd = rstd[row],
                          .count = n};
      float* out = dx.target(row * n, buffer.data() + 3 * n);
      rms_backward(inputs, out, d_weight.of(range.thread));
      dx.commit(row * n, n, out);
    }
  });
  d_weight.add_to(call.floats(5));
}

}  // namespace forerun::host
