#include "estimator/capacity/speculation.hpp"

#include <cmath>

#include "units/integer.hpp"

namespace forerun {

double tokens_of_a_round(const Speculation& speculation) {
  return (1.0 - std::pow(speculation.acceptance, real(speculation.tokens + 1))) /
         (1.0 - speculation.acceptance);
}

}  // namespace forerun
