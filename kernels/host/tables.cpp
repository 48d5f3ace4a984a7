// Look-ups in the token and position tables, and the gradients that flow back into them.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/row_kernels.hpp"

namespace forerun::host {
namespace {

// The last table row that the tokens [first, first + tokens) use must exist.
void require_positions(const TableShape& shape, std::int64_t first) {
  const std::int64_t last = (first + shape.tokens - 1) / shape.batch;
  if (last >= shape.table_rows) {
    throw std::invalid_argument("position " + std::to_string(last) + " lies beyond the table of " +
                                std::to_string(shape.table_rows) + " positions");
  }
}

}  // namespace

void embedding_forward(const KernelCall& call) {
  const auto& shape = call.shape<TableShape>();
  const std::int64_t n = shape.columns;
  const std::int32_t* tokens = call.integers(0);
  const TypedArray y = call.array(2);
  parallel_ranges(shape.tokens, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(n);
    for (std::int64_t i = range.first; i < range.last; ++i) {
      const std::int64_t row = tokens[i] - call.scalars.first;
      float* out = y.target(i * n, buffer.data());
      if (row >= 0 && row < shape.table_rows) {
        call.array(1).read_into(out, row * n, n);
      } else {
        std::fill_n(out, n, 0.0F);
      }
      y.commit(i * n, n, out);
    }
  });
}

// A token may occur many times: each thread takes a slice of the columns of all tokens, so that no
// two threads add to one number, and the order of the additions is that of the tokens.
void embedding_backward(const KernelCall& call) {
  const auto& shape = call.shape<TableShape>();
  const std::int64_t n = shape.columns;
  const std::int32_t* tokens = call.integers(0);
  float* d_table = call.floats(2);
  parallel_ranges(n, shape.tokens, [&](const ThreadRange& range) {
    const std::int64_t width = range.last - range.first;
    const RunBuffer buffer(width);
    for (std::int64_t i = 0; i < shape.tokens; ++i) {
      const std::int64_t row = tokens[i] - call.scalars.first;
      if (row >= 0 && row < shape.table_rows) {
        const float* dy = call.array(1).read(i * n + range.first, width, buffer.data());
        accumulate(dy, d_table + row * n + range.first, width);
      }
    }
  });
}

void position_forward(const KernelCall& call) {
  const auto& shape = call.shape<TableShape>();
  const std::int64_t n = shape.columns;
  const TypedArray x = call.array(1);
  require_positions(shape, call.scalars.first);
  parallel_ranges(shape.tokens, n, [&](const ThreadRange& range) {
    const RunBuffer buffer(2 * n);
    for (std::int64_t i = range.first; i < range.last; ++i) {
      const std::int64_t position = (call.scalars.first + i) / shape.batch;
      float* out = x.open(i * n, n, buffer.data());
      accumulate(call.array(0).read(position * n, n, buffer.data() + n), out, n);
      x.commit(i * n, n, out);
    }
  });
}

// Sliced like embedding_backward: the sequences of a batch share their positions.
void position_backward(const KernelCall& call) {
  const auto& shape = call.shape<TableShape>();
  const std::int64_t n = shape.columns;
  float* d_table = call.floats(1);
  require_positions(shape, call.scalars.first);
  parallel_ranges(n, shape.tokens, [&](const ThreadRange& range) {
    const std::int64_t width = range.last - range.first;
    const RunBuffer buffer(width);
    for (std::int64_t i = 0; i < shape.tokens; ++i) {
      const std::int64_t position = (call.scalars.first + i) / shape.batch;
      const float* dx = call.array(0).read(i * n + range.first, width, buffer.data());
      accumulate(dx, d_table + position * n + range.first, width);
    }
  });
}

}  // namespace forerun::host
