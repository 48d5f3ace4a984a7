// Where the true time of a step lies.
#pragma once

#include "units/quantity.hpp"

namespace forerun {

/// Holds the true value with 90 %.
struct ErrorBand {
  Seconds low;
  Seconds high;
};

/// A factor of 1 + `relative` to either side: an error of a time is a factor, and however large it
/// is the time stays above nothing.
[[nodiscard]] inline ErrorBand band_around(Seconds time, double relative) {
  return {time / (1.0 + relative), time * (1.0 + relative)};
}

}  // namespace forerun
