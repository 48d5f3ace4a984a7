// Sigmoid gates, one a row or one an element, and runs of columns in and out of wider rows.
#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/row_kernels.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

FORERUN_MULTIVERSION void gate_run(const float* x,
                                   const float* gate,
                                   float* y,
                                   std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = fast_sigmoid(gate[i]) * x[i];
  }
}

struct GateRun {
  const float* x;
  const float* gate;
  const float* dy;
  std::int64_t count;
};

FORERUN_MULTIVERSION void gate_gradients(const GateRun& run, float* dx, float* d_gate) {
  const float* x = run.x;
  const float* gate = run.gate;
  const float* dy = run.dy;
#pragma omp simd
  for (std::int64_t i = 0; i < run.count; ++i) {
    const float s = fast_sigmoid(gate[i]);
    const float arriving = dy[i];
    d_gate[i] = arriving * x[i] * s * (1.0F - s);
    dx[i] = arriving * s;
  }
}

}  // namespace

void row_gate_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(2);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * n + 1);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* x = call.array(0).read(row * n, n, buffer.data());
      const float gate = *call.array(1).read(row, 1, buffer.data() + 2 * n);
      float* out = y.target(row * n, buffer.data() + n);
      scale_to(x, fast_sigmoid(gate), out, n);
      y.commit(row * n, n, out);
    }
  });
}

void row_gate_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray dx = call.array(3);
  const TypedArray d_gate = call.array(4);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n + 1);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* x = call.array(0).read(row * n, n, buffer.data());
      const float s = fast_sigmoid(*call.array(1).read(row, 1, buffer.data() + 3 * n));
      const float* dy = call.array(2).read(row * n, n, buffer.data() + n);
      const float gradient = dot(x, dy, n) * s * (1.0F - s);
      float* out = dx.target(row * n, buffer.data() + 2 * n);
      scale_to(dy, s, out, n);
      dx.commit(row * n, n, out);
      d_gate.commit(row, 1, &gradient);
    }
  });
}

void sigmoid_gate_forward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray y = call.array(2);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(3 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* x = call.array(0).read(row * n, n, buffer.data());
      const float* gate = call.array(1).read(row * n, n, buffer.data() + n);
      float* out = y.target(row * n, buffer.data() + 2 * n);
      gate_run(x, gate, out, n);
      y.commit(row * n, n, out);
    }
  });
}

void sigmoid_gate_backward(const KernelCall& call) {
  const auto& shape = call.shape<RowsShape>();
  const std::int64_t n = shape.columns;
  const TypedArray dx = call.array(3);
  const TypedArray d_gate = call.array(4);
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(5 * n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const GateRun run{.x = call.array(0).read(row * n, n, buffer.data()),
                        .gate = call.array(1).read(row * n, n, buffer.data() + n),
                        .dy = call.array(2).read(row * n, n, buffer.data() + 2 * n),
                        .count = n};
      float* out = dx.target(row * n, buffer.data() + 3 * n);
      float* gates = d_gate.target(row * n, buffer.data() + 4 * n);
      gate_gradients(run, out, gates);
      dx.commit(row * n, n, out);
      d_gate.commit(row * n, n, gates);
    }
  });
}

void take_columns(const KernelCall& call) {
  const auto& shape = call.shape<ColumnsShape>();
  const std::int64_t n = shape.columns;
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      call.array(1).commit(
          row * n, n, call.array(0).read(row * shape.width + shape.first, n, buffer.data()));
    }
  });
}

void put_columns(const KernelCall& call) {
  const auto& shape = call.shape<ColumnsShape>();
  const std::int64_t n = shape.columns;
  parallel_ranges(shape.rows, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t row = range.first; row < range.last; ++row) {
      call.array(1).commit(
          row * shape.width + shape.first, n, call.array(0).read(row * n, n, buffer.data()));
    }
  });
}

}  // namespace forerun::host
