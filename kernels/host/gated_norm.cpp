// RMSNorm of gated rows, group by group: what Mamba-2 has behind its scan.
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/rms_row.hpp"
#include "kernels/host/row_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION void silu_gate(const float* x, const float* z, float* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = x[i] * z[i] * fast_sigmoid(z[i]);
  }
}

struct GatedRun {
  const float* x;
  const float* z;
  const float* gradient;  ///< by x silu(z)
  std::int64_t count;
};

// With s = sigmoid(z): silu' = s (1 + z (1 - s)).
FORERUN_MULTIVERSION void silu_gradients(const GatedRun& run, float* dx, float* dz) {
  const float* x = run.x;
  const float* z = run.z;
  const float* gradient = run.gradient;
#pragma omp simd
  for (std::int64_t i = 0; i < run.count; ++i) {
    const float s = fast_sigmoid(z[i]);
    const float g = gradient[i];
    dx[i] = g * z[i] * s;
    dz[i] = g * x[i] * s * (1.0F + z[i] * (1.0F - s));
  }
}

}  // namespace

void gated_norm_forward(const KernelCall& call) {
  const auto& shape = call.shape<GroupedRowsShape>();
  const std::int64_t n = shape.columns;
  const std::int64_t group = n / shape.groups;
  const TypedArray y = call.array(3);
  float* const rstd = call.floats(4);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(5 * n);
    float* const gated = buffer.data() + 4 * n;
    const float* weight = call.array(2).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* x = call.array(0).read(row * n, n, buffer.data() + n);
      const float* z = call.array(1).read(row * n, n, buffer.data() + 2 * n);
      float* out = y.target(row * n, buffer.data() + 3 * n);
      silu_gate(x, z, gated, n);
      for (std::int64_t i = 0; i < shape.groups; ++i) {
        float& scale = rstd[row * shape.groups + i];
        scale = rms_rstd(gated + i * group, group, call.scalars.norm_epsilon);
        rms_scale(gated + i * group, weight + i * group, scale, out + i * group, group);
      }
      y.commit(row * n, n, out);
    }
  });
}

void gated_norm_backward(const KernelCall& call) {
  const auto& shape = call.shape<GroupedRowsShape>();
  const std::int64_t n = shape.columns;
  const std::int64_t group = n / shape.groups;
  const float* const rstd = call.floats(3);
  const TypedArray dx = call.array(5);
  const TypedArray dz = call.array(6);
  ColumnSums d_weight(n);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(8 * n);
    float* const gated = buffer.data() + 4 * n;
    float* const gradient = buffer.data() + 5 * n;
    float* const sums = d_weight.of(range.thread);
    const float* weight = call.array(2).read(0, n, buffer.data());
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* x = call.array(0).read(row * n, n, buffer.data() + n);
      const float* z = call.array(1).read(row * n, n, buffer.data() + 2 * n);
      const float* dy = call.array(4).read(row * n, n, buffer.data() + 3 * n);
      silu_gate(x, z, gated, n);
      for (std::int64_t i = 0; i < shape.groups; ++i) {
        const RmsRow inputs{.x = gated + i * group,
                            .weight = weight + i * group,
                            .dy = dy + i * group,
                            .rstd = rstd[row * shape.groups + i],
                            .count = group};
        rms_backward(inputs, gradient + i * group, sums + i * group);
      }
      float* to_x = dx.target(row * n, buffer.data() + 6 * n);
      float* to_z = dz.target(row * n, buffer.data() + 7 * n);
      silu_gradients({x, z, gradient, n}, to_x, to_z);
      dx.commit(row * n, n, to_x);
      dz.commit(row * n, n, to_z);
    }
  });
  d_weight.add_to(call.floats(7));
}

}  // namespace forerun::host
