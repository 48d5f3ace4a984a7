// Constants of GELU's approximation by tanh.
#pragma once

namespace forerun::host {

/// gelu(x) = x/2 (1 + tanh(root_two_over_pi (x + cubic x^3))).
inline constexpr float root_two_over_pi = 0.797884560802865356F;
inline constexpr float cubic = 0.044715F;

}  // namespace forerun::host
