// Reference: gates, norms of gated groups, columns of wider rows, heads of latent attention.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "tests/kernels/reference_detail.hpp"

namespace forerun {
namespace {

// A pair (i, i + size/2) of a run turned by its position's angle; `direction` as in the kernels.
void turn(std::vector<double>& values,
          std::int64_t first,
          std::int64_t size,
          double position,
          double direction,
          double theta) {
  for (std::int64_t i = 0; i < size / 2; ++i) {
    const double angle =
        position * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(size));
    double& a = values[place(first + i)];
    double& b = values[place(first + i + size / 2)];
    const double lower = a;
    a = lower * std::cos(angle) - b * direction * std::sin(angle);
    b = b * std::cos(angle) + lower * direction * std::sin(angle);
  }
}

}  // namespace

bool reference_gate(const ReferenceCall& call, const RowsShape& shape) {
  const bool is_row =
      call.op == KernelOp::row_gate_forward || call.op == KernelOp::row_gate_backward;
  const bool is_forward =
      call.op == KernelOp::row_gate_forward || call.op == KernelOp::sigmoid_gate_forward;
  const bool is_backward =
      call.op == KernelOp::row_gate_backward || call.op == KernelOp::sigmoid_gate_backward;
  if (!is_forward && !is_backward) {
    return false;
  }
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      const std::size_t at = place(row * shape.columns + column);
      const std::size_t gate = is_row ? place(row) : at;
      const double s = sigmoid(call.at(1)[gate]);
      if (is_forward) {
        call.at(2)[at] = s * call.at(0)[at];
        continue;
      }
      const double dy = call.at(2)[at];
      call.at(3)[at] = s * dy;
      call.at(4)[gate] =
          (is_row && column > 0 ? call.at(4)[gate] : 0.0) + dy * call.at(0)[at] * s * (1.0 - s);
    }
  }
  return true;
}

void reference(const ReferenceCall& call, const GroupedRowsShape& shape) {
  const bool forward = call.op == KernelOp::gated_norm_forward;
  const std::int64_t size = shape.columns / shape.groups;
  for (std::int64_t run = 0; run < shape.rows * shape.groups; ++run) {
    const std::int64_t first = run * size;
    const std::int64_t column = first % shape.columns;
    const auto gated = [&](std::int64_t i) {
      const double z = call.at(1)[place(first + i)];
      return call.at(0)[place(first + i)] * z * sigmoid(z);
    };
    double squares = 0.0;
    for (std::int64_t i = 0; i < size; ++i) {
      squares += gated(i) * gated(i);
    }
    const double mean = squares / static_cast<double>(size);
    const double rstd = 1.0 / std::sqrt(mean + call.scalars.norm_epsilon);
    if (forward) {
      call.at(4)[place(run)] = rstd;
      for (std::int64_t i = 0; i < size; ++i) {
        call.at(3)[place(first + i)] = gated(i) * rstd * call.at(2)[place(column + i)];
      }
      continue;
    }
    double along = 0.0;
    for (std::int64_t i = 0; i < size; ++i) {
      along += call.at(4)[place(first + i)] * call.at(2)[place(column + i)] * gated(i) * rstd;
    }
    along /= static_cast<double>(size);
    for (std::int64_t i = 0; i < size; ++i) {
      const std::size_t at = place(first + i);
      const double normed = gated(i) * rstd;
      const double gradient =
          rstd * (call.at(4)[at] * call.at(2)[place(column + i)] - normed * along);
      const double x = call.at(0)[at];
      const double z = call.at(1)[at];
      const double s = sigmoid(z);
      call.at(5)[at] = gradient * z * s;
      call.at(6)[at] = gradient * x * (s + z * s * (1.0 - s));
      call.at(7)[place(column + i)] += call.at(4)[at] * normed;
    }
  }
}

void reference(const ReferenceCall& call, const ColumnsShape& shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      const std::size_t wide = place(row * shape.width + shape.first + column);
      const std::size_t part = place(row * shape.columns + column);
      if (call.op == KernelOp::take_columns) {
        call.at(1)[part] = call.at(0)[wide];
      } else {
        call.at(1)[wide] = call.at(0)[part];
      }
    }
  }
}

void reference(const ReferenceCall& call, const LatentHeadsShape& s) {
  const double theta = call.scalars.rope_theta;
  const std::int64_t own = s.nope_size + s.value_size;
  const std::int64_t size = s.nope_size + s.rope_size;
  for (std::int64_t token = 0; token < s.tokens; ++token) {
    const auto position = static_cast<double>((call.scalars.first + token) / s.batch);
    std::vector<double> shared(place(s.rope_size), 0.0);
    for (std::int64_t head = 0; head < s.heads; ++head) {
      const std::int64_t at = token * s.heads + head;
      const std::int64_t turned = at * size + s.nope_size;
      if (call.op == KernelOp::latent_query_forward || call.op == KernelOp::latent_query_backward) {
        const double direction = call.op == KernelOp::latent_query_forward ? 1.0 : -1.0;
        turn(call.at(0), turned, s.rope_size, position, direction, theta);
        continue;
      }
      const bool forward = call.op == KernelOp::latent_keys_forward;
      std::vector<double>& kv = call.at(forward ? 0 : 2);
      std::vector<double>& keys = call.at(forward ? 2 : 0);
      std::vector<double>& values = call.at(forward ? 3 : 1);
      const auto move = [forward](double& part, double& whole) {
        (forward ? whole : part) = forward ? part : whole;
      };
      for (std::int64_t i = 0; i < s.nope_size; ++i) {
        move(kv[place(at * own + i)], keys[place(at * size + i)]);
      }
      for (std::int64_t i = 0; i < s.value_size; ++i) {
        move(kv[place(at * own + s.nope_size + i)], values[place(at * s.value_size + i)]);
      }
      for (std::int64_t i = 0; i < s.rope_size; ++i) {
        if (forward) {
          keys[place(turned + i)] = call.at(1)[place(token * s.rope_size + i)];
        } else {
          shared[place(i)] += keys[place(turned + i)];
        }
      }
      if (forward) {
        turn(keys, turned, s.rope_size, position, 1.0, theta);
      }
    }
    if (call.op == KernelOp::latent_keys_backward) {
      turn(shared, 0, s.rope_size, position, -1.0, theta);
      for (std::int64_t i = 0; i < s.rope_size; ++i) {
        call.at(3)[place(token * s.rope_size + i)] = shared[place(i)];
      }
    }
  }
}

void reference(const ReferenceCall& /*call*/, const DeltaShape& /*shape*/) {
  throw std::logic_error("no device runs the delta rule");
}

}  // namespace forerun
