// Norms, activations, dropout, sums, cross-entropy and casts.
#include <algorithm>

#include "kernels/cuda/activation_launch.hpp"
#include "kernels/cuda/cast_launch.hpp"
#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/cross_entropy_launch.hpp"
#include "kernels/cuda/dropout_launch.hpp"
#include "kernels/cuda/elementwise_launch.hpp"
#include "kernels/cuda/norm_launch.hpp"
#include "kernels/cuda/own_call.hpp"

namespace forerun::cuda {

namespace {

NormSize norm_size(const OwnCall& call, const RowsShape& shape) {
  return {.type = call.key.type, .rows = shape.rows, .columns = shape.columns};
}

float* column_scratch(const OwnCall& call, int sums, const RowsShape& shape) {
  return call.scratch_floats(column_sum_scratch_bytes(sums, shape.rows, shape.columns));
}

Norm norm_of(KernelOp op) {
  switch (op) {
    case KernelOp::rms_norm_forward:
    case KernelOp::rms_norm_backward:
    case KernelOp::add_rms_norm_forward:
    case KernelOp::add_rms_norm_backward:
      return Norm::rms;
    default:
      return Norm::layer;
  }
}

bool has_bias(KernelOp op) {
  switch (op) {
    case KernelOp::layer_norm_forward:
    case KernelOp::layer_norm_backward:
    case KernelOp::add_layer_norm_forward:
    case KernelOp::add_layer_norm_backward:
      return true;
    default:
      return false;
  }
}

bool is_behind_a_sum(KernelOp op) {
  switch (op) {
    case KernelOp::add_rms_norm_forward:
    case KernelOp::add_rms_norm_backward:
    case KernelOp::add_layer_norm_forward:
    case KernelOp::add_layer_norm_backward:
      return true;
    default:
      return false;
  }
}

/// x, [residual,] weight, [bias,] [sum,] y, statistics.
void start_norm_forward(const OwnCall& call, const RowsShape& shape) {
  std::size_t next = 0;
  const auto take = [&](bool is_there = true) { return is_there ? call.at[next++] : nullptr; };
  const bool sums = is_behind_a_sum(call.key.op);
  NormForward operands{};
  operands.x = take();
  operands.residual = take(sums);
  operands.weight = take();
  operands.bias = take(has_bias(call.key.op));
  operands.sum = take(sums);
  operands.y = take();
  operands.stats = static_cast<float*>(take());
  operands.epsilon = static_cast<float>(call.scalars.norm_epsilon);
  launch_norm_forward(call.stream, norm_of(call.key.op), norm_size(call, shape), operands);
}

/// x or sum, weight, statistics, dy, [d_sum,] dx, d_weight[, d_bias].
void start_norm_backward(const OwnCall& call, const RowsShape& shape) {
  std::size_t next = 0;
  const auto take = [&](bool is_there = true) { return is_there ? call.at[next++] : nullptr; };
  const Norm norm = norm_of(call.key.op);
  NormBackward operands{};
  operands.x = take();
  operands.weight = take();
  operands.stats = static_cast<const float*>(take());
  operands.dy = take();
  operands.d_sum = take(is_behind_a_sum(call.key.op));
  operands.dx = take();
  operands.d_weight = static_cast<float*>(take());
  operands.d_bias = static_cast<float*>(take(has_bias(call.key.op)));
  operands.scratch = column_scratch(call, norm == Norm::rms ? 1 : 2, shape);
  launch_norm_backward(call.stream, norm, norm_size(call, shape), operands);
}

/// u, [bias,] [dy,] result.
void start_activation(const OwnCall& call,
                      const RowsShape& shape,
                      Activation activation,
                      bool has_bias = false) {
  const auto& at = call.at;
  const std::size_t inputs = has_bias ? 2 : 1;
  const bool is_backward = at.size() == inputs + 2;
  launch_activation(call.stream,
                    activation,
                    {.type = call.key.type,
                     .rows = shape.rows,
                     .columns = shape.columns,
                     .cap = static_cast<float>(call.scalars.softcap)},
                    {.u = at[0],
                     .bias = has_bias ? at[1] : nullptr,
                     .dy = is_backward ? at[inputs] : nullptr,
                     .result = at.back()});
}

/// x, y, mask; x, bias, residual, y, mask.
void start_dropout_forward(const OwnCall& call, const RowsShape& shape) {
  const auto& at = call.at;
  const bool is_fused = call.key.op == KernelOp::bias_dropout_add_forward;
  launch_dropout_forward(call.stream,
                         {.type = call.key.type, .rows = shape.rows, .columns = shape.columns},
                         {.x = at[0],
                          .bias = is_fused ? at[1] : nullptr,
                          .residual = is_fused ? at[2] : nullptr,
                          .y = at[is_fused ? 3 : 1],
                          .mask = static_cast<std::uint8_t*>(at.back()),
                          .keep = static_cast<float>(call.scalars.keep),
                          .seed = call.scalars.dropout_seed});
}

void start_dropout_backward(const OwnCall& call, const RowsShape& shape) {
  launch_dropout_backward(call.stream,
                          {.type = call.key.type, .rows = shape.rows, .columns = shape.columns},
                          {.dy = call.at[0],
                           .mask = static_cast<const std::uint8_t*>(call.at[1]),
                           .dx = call.at[2],
                           .keep = static_cast<float>(call.scalars.keep)});
}

void start_elementwise(const OwnCall& call, const RowsShape& shape) {
  const auto& at = call.at;
  const ElementwiseSize size{.type = call.key.type, .rows = shape.rows, .columns = shape.columns};
  if (call.key.op == KernelOp::add) {
    launch_add(call.stream, size, at[0], at[1], at[2]);
  } else if (call.key.op == KernelOp::bias_forward) {
    launch_bias_forward(call.stream, size, at[0], at[1]);
  } else {
    launch_bias_backward(call.stream, size, at[0], call.floats(1), column_scratch(call, 1, shape));
  }
}

void start_cross_entropy(const OwnCall& call, const RowsShape& shape) {
  const auto& at = call.at;
  const LogitsSize size{.type = call.key.type,
                        .rows = shape.rows,
                        .columns = shape.columns,
                        .valid = std::clamp<std::int64_t>(call.scalars.valid, 0, shape.columns),
                        .first = call.scalars.first};
  if (call.key.op == KernelOp::cross_entropy_max) {
    launch_cross_entropy_max(call.stream, size, at[0], call.floats(1));
  } else if (call.key.op == KernelOp::cross_entropy_sum) {
    launch_cross_entropy_sum(
        call.stream, size, {at[0], call.floats(1), call.integers(2), call.floats(3)});
  } else {
    launch_cross_entropy_gradient(call.stream,
                                  size,
                                  {.logits = at[0],
                                   .row_max = call.floats(1),
                                   .sums = call.floats(2),
                                   .targets = call.integers(3),
                                   .loss = call.floats(4),
                                   .scale = static_cast<float>(call.scalars.scale)});
  }
}

}  // namespace

void start(const OwnCall& call, const RowsShape& shape) {
  switch (call.key.op) {
    case KernelOp::rms_norm_forward:
    case KernelOp::layer_norm_forward:
    case KernelOp::layer_norm_nobias_forward:
    case KernelOp::add_rms_norm_forward:
    case KernelOp::add_layer_norm_forward:
      return start_norm_forward(call, shape);
    case KernelOp::rms_norm_backward:
    case KernelOp::layer_norm_backward:
    case KernelOp::layer_norm_nobias_backward:
    case KernelOp::add_rms_norm_backward:
    case KernelOp::add_layer_norm_backward:
      return start_norm_backward(call, shape);
    case KernelOp::swiglu_forward:
    case KernelOp::swiglu_backward:
      return start_activation(call, shape, Activation::swiglu);
    case KernelOp::geglu_forward:
    case KernelOp::geglu_backward:
      return start_activation(call, shape, Activation::geglu);
    case KernelOp::gelu_forward:
    case KernelOp::gelu_backward:
      return start_activation(call, shape, Activation::gelu);
    case KernelOp::bias_gelu_forward:
    case KernelOp::bias_gelu_backward:
      return start_activation(call, shape, Activation::gelu, true);
    case KernelOp::relu_forward:
    case KernelOp::relu_backward:
      return start_activation(call, shape, Activation::relu);
    case KernelOp::relu_squared_forward:
    case KernelOp::relu_squared_backward:
      return start_activation(call, shape, Activation::relu_squared);
    case KernelOp::softcap_forward:
    case KernelOp::softcap_backward:
      return start_activation(call, shape, Activation::softcap);
    case KernelOp::dropout_forward:
    case KernelOp::bias_dropout_add_forward:
      return start_dropout_forward(call, shape);
    case KernelOp::dropout_backward:
      return start_dropout_backward(call, shape);
    case KernelOp::add:
    case KernelOp::bias_forward:
    case KernelOp::bias_backward:
      return start_elementwise(call, shape);
    case KernelOp::cross_entropy_max:
    case KernelOp::cross_entropy_sum:
    case KernelOp::cross_entropy_gradient:
      return start_cross_entropy(call, shape);
    case KernelOp::cast:
      return launch_cast(call.stream,
                         {.to = call.key.type, .rows = shape.rows, .columns = shape.columns},
                         {call.at[0], call.floats(1), call.at[2], call.at[3], call.floats(4)});
    default:
      fail_mismatch(call.key);
  }
}

}  // namespace forerun::cuda
