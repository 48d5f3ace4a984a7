// Reference: norms, activations, additions and cross-entropy, row by row.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "tests/kernels/kernel_check.hpp"
#include "tests/kernels/reference_detail.hpp"

namespace forerun {
namespace {

struct Row {
  std::size_t index;
  std::size_t rows;
  std::size_t columns;

  [[nodiscard]] std::size_t operator[](std::size_t column) const {
    return index * columns + column;
  }
};

void rms_norm(const ReferenceCall& call, const Row& row) {
  const auto n = static_cast<double>(row.columns);
  const std::vector<double>& x = call.at(0);
  const std::vector<double>& weight = call.at(1);
  if (call.op == KernelOp::rms_norm_forward) {
    double squares = 0.0;
    for (std::size_t i = 0; i < row.columns; ++i) {
      squares += x[row[i]] * x[row[i]];
    }
    const double rstd = 1.0 / std::sqrt(squares / n + call.scalars.norm_epsilon);
    call.at(3)[row.index] = rstd;
    for (std::size_t i = 0; i < row.columns; ++i) {
      call.at(2)[row[i]] = x[row[i]] * rstd * weight[i];
    }
    return;
  }
  const double rstd = call.at(2)[row.index];
  const std::vector<double>& dy = call.at(3);
  double projection = 0.0;
  for (std::size_t i = 0; i < row.columns; ++i) {
    projection += dy[row[i]] * weight[i] * x[row[i]] * rstd / n;
  }
  for (std::size_t i = 0; i < row.columns; ++i) {
    const double normed = x[row[i]] * rstd;
    call.at(4)[row[i]] = rstd * (dy[row[i]] * weight[i] - normed * projection);
    call.at(5)[i] += dy[row[i]] * normed;
  }
}

// Without a bias the outputs stand one place earlier.
bool has_bias(const ReferenceCall& call) {
  return call.op == KernelOp::layer_norm_forward || call.op == KernelOp::layer_norm_backward;
}

void layer_norm_forward(const ReferenceCall& call, const Row& row) {
  const std::size_t y = has_bias(call) ? 3 : 2;
  const auto n = static_cast<double>(row.columns);
  const std::vector<double>& x = call.at(0);
  double mean = 0.0;
  for (std::size_t i = 0; i < row.columns; ++i) {
    mean += x[row[i]] / n;
  }
  double variance = 0.0;
  for (std::size_t i = 0; i < row.columns; ++i) {
    variance += (x[row[i]] - mean) * (x[row[i]] - mean) / n;
  }
  const double rstd = 1.0 / std::sqrt(variance + call.scalars.norm_epsilon);
  call.at(y + 1)[row.index] = mean;
  call.at(y + 1)[row.rows + row.index] = rstd;
  for (std::size_t i = 0; i < row.columns; ++i) {
    const double bias = has_bias(call) ? call.at(2)[i] : 0.0;
    call.at(y)[row[i]] = (x[row[i]] - mean) * rstd * call.at(1)[i] + bias;
  }
}

void layer_norm_backward(const ReferenceCall& call, const Row& row) {
  const auto n = static_cast<double>(row.columns);
  const std::vector<double>& x = call.at(0);
  const std::vector<double>& weight = call.at(1);
  const std::vector<double>& dy = call.at(3);
  const double mean = call.at(2)[row.index];
  const double rstd = call.at(2)[row.rows + row.index];
  double mean_g = 0.0;
  double mean_gh = 0.0;
  for (std::size_t i = 0; i < row.columns; ++i) {
    mean_g += dy[row[i]] * weight[i] / n;
    mean_gh += dy[row[i]] * weight[i] * (x[row[i]] - mean) * rstd / n;
  }
  for (std::size_t i = 0; i < row.columns; ++i) {
    const double h = (x[row[i]] - mean) * rstd;
    call.at(4)[row[i]] = rstd * (dy[row[i]] * weight[i] - mean_g - h * mean_gh);
    call.at(5)[i] += dy[row[i]] * h;
    if (has_bias(call)) {
      call.at(6)[i] += dy[row[i]];
    }
  }
}

void swiglu(const ReferenceCall& call, const Row& row) {
  for (std::size_t i = 0; i < row.columns; ++i) {
    const std::size_t gate_at = row.index * 2 * row.columns + i;
    const std::size_t up_at = gate_at + row.columns;
    const double gate = call.at(0)[gate_at];
    const double up = call.at(0)[up_at];
    const double sigmoid = 1.0 / (1.0 + std::exp(-gate));
    if (call.op == KernelOp::swiglu_forward) {
      call.at(1)[row[i]] = gate * sigmoid * up;
    } else {
      const double dy = call.at(1)[row[i]];
      call.at(2)[gate_at] = dy * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
      call.at(2)[up_at] = dy * gate * sigmoid;
    }
  }
}

struct ValueAndSlope {
  double value;
  double slope;
};

ValueAndSlope gelu_of(double x) {
  const double root = std::sqrt(2.0 / std::numbers::pi);
  const double t = std::tanh(root * (x + 0.044715 * x * x * x));
  return {0.5 * x * (1.0 + t),
          0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * root * (1.0 + 3.0 * 0.044715 * x * x)};
}

void geglu(const ReferenceCall& call, const Row& row) {
  for (std::size_t i = 0; i < row.columns; ++i) {
    const std::size_t gate_at = row.index * 2 * row.columns + i;
    const std::size_t up_at = gate_at + row.columns;
    const auto [value, slope] = gelu_of(call.at(0)[gate_at]);
    const double up = call.at(0)[up_at];
    if (call.op == KernelOp::geglu_forward) {
      call.at(1)[row[i]] = value * up;
    } else {
      call.at(2)[gate_at] = call.at(1)[row[i]] * up * slope;
      call.at(2)[up_at] = call.at(1)[row[i]] * value;
    }
  }
}

ValueAndSlope activation_of(const ReferenceCall& call, double x) {
  switch (call.op) {
    case KernelOp::relu_forward:
    case KernelOp::relu_backward:
      return {std::max(x, 0.0), x > 0.0 ? 1.0 : 0.0};
    case KernelOp::relu_squared_forward:
    case KernelOp::relu_squared_backward:
      return {std::max(x, 0.0) * std::max(x, 0.0), 2.0 * std::max(x, 0.0)};
    case KernelOp::softcap_forward:
    case KernelOp::softcap_backward: {
      const double t = std::tanh(x / call.scalars.softcap);
      return {call.scalars.softcap * t, 1.0 - t * t};
    }
    default:
      return gelu_of(x);
  }
}

// y = f(x), dx = dy f'(x).
void activation(const ReferenceCall& call, const Row& row, bool forward) {
  for (std::size_t i = 0; i < row.columns; ++i) {
    const auto [value, slope] = activation_of(call, call.at(0)[row[i]]);
    if (forward) {
      call.at(1)[row[i]] = value;
    } else {
      call.at(2)[row[i]] = call.at(1)[row[i]] * slope;
    }
  }
}

void element_wise(const ReferenceCall& call, const Row& row) {
  for (std::size_t i = 0; i < row.columns; ++i) {
    if (call.op == KernelOp::add) {
      call.at(2)[row[i]] = call.at(0)[row[i]] + call.at(1)[row[i]];
    } else if (call.op == KernelOp::bias_forward) {
      call.at(1)[row[i]] += call.at(0)[i];
    } else {
      call.at(1)[i] += call.at(0)[row[i]];
    }
  }
}

std::size_t valid_columns(const ReferenceCall& call, const Row& row) {
  return static_cast<std::size_t>(
      std::min(call.scalars.valid, static_cast<std::int64_t>(row.columns)));
}

void cross_entropy_max(const ReferenceCall& call, const Row& row) {
  double largest = -INFINITY;
  for (std::size_t i = 0; i < valid_columns(call, row); ++i) {
    largest = std::max(largest, call.at(0)[row[i]]);
  }
  call.at(1)[row.index] = largest;
}

void cross_entropy_sum(const ReferenceCall& call, const Row& row) {
  const double row_max = call.at(1)[row.index];
  const double target = call.at(2)[row.index] - static_cast<double>(call.scalars.first);
  double sum = 0.0;
  double target_logit = 0.0;
  for (std::size_t i = 0; i < valid_columns(call, row); ++i) {
    sum += std::exp(call.at(0)[row[i]] - row_max);
    target_logit += static_cast<double>(i) == target ? call.at(0)[row[i]] - row_max : 0.0;
  }
  call.at(3)[row.index] = sum;
  call.at(3)[row.rows + row.index] = target_logit;
}

void cross_entropy_gradient(const ReferenceCall& call, const Row& row) {
  const double row_max = call.at(1)[row.index];
  const double sum = call.at(2)[row.index];
  const double target = call.at(3)[row.index] - static_cast<double>(call.scalars.first);
  for (std::size_t i = 0; i < row.columns; ++i) {
    double& logit = call.at(0)[row[i]];
    const double onehot = static_cast<double>(i) == target ? 1.0 : 0.0;
    logit = i < valid_columns(call, row)
                ? (std::exp(logit - row_max) / sum - onehot) * call.scalars.scale
                : 0.0;
  }
  call.at(4)[row.index] = std::log(sum) - call.at(2)[row.rows + row.index];
}

void reference_row(const ReferenceCall& call, const Row& row) {
  switch (call.op) {
    case KernelOp::rms_norm_forward:
    case KernelOp::rms_norm_backward:
      return rms_norm(call, row);
    case KernelOp::layer_norm_forward:
    case KernelOp::layer_norm_nobias_forward:
      return layer_norm_forward(call, row);
    case KernelOp::layer_norm_backward:
    case KernelOp::layer_norm_nobias_backward:
      return layer_norm_backward(call, row);
    case KernelOp::swiglu_forward:
    case KernelOp::swiglu_backward:
      return swiglu(call, row);
    case KernelOp::geglu_forward:
    case KernelOp::geglu_backward:
      return geglu(call, row);
    case KernelOp::gelu_forward:
    case KernelOp::relu_forward:
    case KernelOp::relu_squared_forward:
    case KernelOp::softcap_forward:
      return activation(call, row, true);
    case KernelOp::gelu_backward:
    case KernelOp::relu_backward:
    case KernelOp::relu_squared_backward:
    case KernelOp::softcap_backward:
      return activation(call, row, false);
    case KernelOp::cross_entropy_max:
      return cross_entropy_max(call, row);
    case KernelOp::cross_entropy_sum:
      return cross_entropy_sum(call, row);
    case KernelOp::cross_entropy_gradient:
      return cross_entropy_gradient(call, row);
    default:
      return element_wise(call, row);
  }
}

// A norm behind an addition: the addition, then the plain norm on operands in its own order.
void reference_sum(const ReferenceCall& call, const RowsShape& shape, KernelOp norm) {
  const bool forward = norm == KernelOp::rms_norm_forward || norm == KernelOp::layer_norm_forward;
  ReferenceOperands& all = call.operands;
  ReferenceOperands plain;
  if (forward) {
    const std::size_t sum = norm == KernelOp::layer_norm_forward ? 4 : 3;
    for (std::size_t i = 0; i < all[0].size(); ++i) {
      const double exact = all[0][i] + all[1][i];
      all[sum][i] = call.type == DataType::bf16 ? stored(exact, DataType::bf16) : exact;
    }
    plain.push_back(all[sum]);
    plain.insert(plain.end(), all.begin() + 2, all.begin() + static_cast<std::ptrdiff_t>(sum));
    plain.insert(plain.end(), all.begin() + static_cast<std::ptrdiff_t>(sum) + 1, all.end());
  } else {
    plain = all;
    plain.erase(plain.begin() + 4);
  }
  reference({norm, call.type, call.scalars, plain}, shape);
  if (forward) {
    const std::size_t outputs = 2;  // y and the statistics, last in both
    std::copy(plain.end() - outputs, plain.end(), all.end() - outputs);
    return;
  }
  for (std::size_t i = 0; i < plain[4].size(); ++i) {
    all[5][i] = plain[4][i] + all[4][i];
  }
  std::copy(plain.begin() + 5, plain.end(), all.begin() + 6);
}

void reference_cast(const ReferenceCall& call, const RowsShape& shape) {
  const std::vector<double>& x = call.at(0);
  const auto rows = static_cast<std::size_t>(shape.rows);
  const auto columns = static_cast<std::size_t>(shape.columns);
  double largest = 0.0;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const double value = x[i * columns + j];
      // The product is one of fp32: 8 bits of x times 24 of the scale do not fit.
      const double result = stored(stored(value * call.at(1)[0], DataType::fp32), call.type);
      call.at(2)[i * columns + j] = result;
      call.at(3)[j * rows + i] = result;
      largest = std::max(largest, std::abs(value));
    }
  }
  call.at(4)[0] = largest;
}

}  // namespace

void reference(const ReferenceCall& call, const RowsShape& shape) {
  switch (call.op) {
    case KernelOp::cast:
      return reference_cast(call, shape);
    case KernelOp::add_rms_norm_forward:
      return reference_sum(call, shape, KernelOp::rms_norm_forward);
    case KernelOp::add_rms_norm_backward:
      return reference_sum(call, shape, KernelOp::rms_norm_backward);
    case KernelOp::add_layer_norm_forward:
      return reference_sum(call, shape, KernelOp::layer_norm_forward);
    case KernelOp::add_layer_norm_backward:
      return reference_sum(call, shape, KernelOp::layer_norm_backward);
    default:
      break;
  }
  if (reference_framework_rows(call, shape) || reference_gate(call, shape)) {
    return;
  }
  const auto rows = static_cast<std::size_t>(shape.rows);
  for (std::size_t row = 0; row < rows; ++row) {
    reference_row(call, {row, rows, static_cast<std::size_t>(shape.columns)});
  }
}

}  // namespace forerun
