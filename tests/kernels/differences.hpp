// Central differences of the reference's forward kernels, in double precision.
#pragma once

#include <cstddef>
#include <vector>

#include "tests/kernels/reference.hpp"

namespace forerun {

// L = sum(output * dy) of a forward kernel, whose gradient backward promises.
struct Loss {
  KernelKey forward;
  std::size_t output = 0;
  std::vector<double> dy;
  KernelScalars scalars = {};

  [[nodiscard]] double operator()(ReferenceOperands operands) const {
    run_reference(forward, scalars, operands);
    double sum = 0.0;
    for (std::size_t i = 0; i < dy.size(); ++i) {
      sum += operands[output][i] * dy[i];
    }
    return sum;
  }
};

// Central differences with step h are off by h^2 / 6 times a third derivative and by rounding
// 1e-16 / h: both near 1e-10 for h = 1e-5.
inline std::vector<double> differences(const Loss& loss,
                                       ReferenceOperands operands,
                                       std::size_t input) {
  constexpr double h = 1e-5;
  std::vector<double> slopes;
  for (double& value : operands[input]) {
    const double kept = value;
    value = kept + h;
    const double above = loss(operands);
    value = kept - h;
    const double below = loss(operands);
    value = kept;
    slopes.push_back((above - below) / (2.0 * h));
  }
  return slopes;
}

inline std::vector<double> zeros_like(const std::vector<double>& values) {
  return std::vector<double>(values.size(), 0.0);
}

inline constexpr double agreement = 1e-7;

}  // namespace forerun
