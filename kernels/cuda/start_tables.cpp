// Look-ups, flat arrays and the optimizer step.
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "kernels/cuda/adamw_launch.hpp"
#include "kernels/cuda/check.hpp"
#include "kernels/cuda/dequantize_launch.hpp"
#include "kernels/cuda/embedding_launch.hpp"
#include "kernels/cuda/gradient_arrays_launch.hpp"
#include "kernels/cuda/own_call.hpp"

namespace forerun::cuda {

namespace {

AdamWFactors factors_of(const AdamWScalars& scalars) {
  const auto step = static_cast<double>(scalars.step);
  return {.learning_rate = static_cast<float>(scalars.learning_rate),
          .beta1 = static_cast<float>(scalars.beta1),
          .beta2 = static_cast<float>(scalars.beta2),
          .epsilon = static_cast<float>(scalars.epsilon),
          .weight_decay = static_cast<float>(scalars.weight_decay),
          .rest1 = static_cast<float>(1.0 - scalars.beta1),
          .rest2 = static_cast<float>(1.0 - scalars.beta2),
          .m_correction = static_cast<float>(1.0 / (1.0 - std::pow(scalars.beta1, step))),
          .v_correction = static_cast<float>(1.0 / (1.0 - std::pow(scalars.beta2, step)))};
}

void require_positions(const TableSize& size) {
  const std::int64_t last = (size.first + size.tokens - 1) / size.batch;
  if (size.first < 0 || last >= size.table_rows) {
    throw std::invalid_argument(fmt::format(
        "positions up to {} need as many table rows, there are {}", last, size.table_rows));
  }
}

void start_adamw(const OwnCall& call, const FlatShape& shape) {
  launch_adamw(call.stream,
               {.gradient = call.floats(0),
                .master = call.floats(1),
                .m = call.floats(2),
                .v = call.floats(3),
                .weight = call.key.type == DataType::bf16 ? call.at[4] : nullptr,
                .elements = shape.elements},
               factors_of(call.scalars.adamw));
}

}  // namespace

void start(const OwnCall& call, const TableShape& shape) {
  const auto& at = call.at;
  const TableSize size{.type = call.key.type,
                       .tokens = shape.tokens,
                       .batch = shape.batch,
                       .columns = shape.columns,
                       .table_rows = shape.table_rows,
                       .first = call.scalars.first};
  if (call.key.op == KernelOp::embedding_forward) {
    launch_embedding_forward(call.stream, size, call.integers(0), at[1], at[2]);
  } else if (call.key.op == KernelOp::embedding_backward) {
    launch_embedding_backward(call.stream, size, call.integers(0), at[1], call.floats(2));
  } else if (call.key.op == KernelOp::position_forward) {
    require_positions(size);
    launch_position_forward(call.stream, size, at[0], at[1]);
  } else if (call.key.op == KernelOp::position_backward) {
    require_positions(size);
    launch_position_backward(call.stream, size, at[0], call.floats(1));
  } else {
    fail_mismatch(call.key);
  }
}

void start(const OwnCall& call, const FlatShape& shape) {
  const auto& at = call.at;
  const ArraySize size{.type = call.key.type, .elements = shape.elements};
  const std::size_t bytes = static_cast<std::size_t>(shape.elements) * element_bytes(call.key.type);
  switch (call.key.op) {
    case KernelOp::copy:
      FORERUN_CUDA_CHECK(
          cudaMemcpyAsync(at[1], at[0], bytes, cudaMemcpyDeviceToDevice, call.stream));
      break;
    case KernelOp::zero:
      FORERUN_CUDA_CHECK(cudaMemsetAsync(at[0], 0, bytes, call.stream));
      break;
    case KernelOp::widen:
      return launch_widen(call.stream, size, at[0], call.floats(1));
    case KernelOp::narrow:
      return launch_narrow(call.stream, size, call.floats(0), at[1]);
    case KernelOp::accumulate:
      return launch_accumulate(call.stream, size, at[0], call.floats(1));
    case KernelOp::scale:
      return launch_scale(call.stream, size, at[0], static_cast<float>(call.scalars.scale));
    case KernelOp::square_sum:
      return launch_square_sum(call.stream,
                               size,
                               at[0],
                               call.floats(1),
                               call.scratch_floats(square_sum_scratch_bytes(size)));
    case KernelOp::dequantize:
      return launch_dequantize(call.stream,
                               {.codes = static_cast<const std::uint8_t*>(at[0]),
                                .blocks = static_cast<const std::uint8_t*>(at[1]),
                                .groups = call.floats(2),
                                .elements = shape.elements},
                               call.key.type,
                               at[3]);
    case KernelOp::adamw:
      return start_adamw(call, shape);
    default:
      fail_mismatch(call.key);
  }
}

}  // namespace forerun::cuda
