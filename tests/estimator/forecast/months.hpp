// Times in months, as the forecasting reference has them.
#pragma once

#include "units/unit.hpp"

namespace forerun {

inline constexpr double months_per_year = 12.0;

[[nodiscard]] constexpr Seconds months(double count) {
  return count / months_per_year * unit::year;
}

[[nodiscard]] constexpr double months_of(Seconds time) {
  return time / unit::year * months_per_year;
}

}  // namespace forerun
