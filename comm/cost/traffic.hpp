// What an algorithm does for one collective, whatever the links: messages in a row, bytes sent.
#pragma once

#include "comm/collective_key.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct Traffic {
  double steps = 0.0;  ///< messages that follow each other
  Bytes wire;          ///< that the busiest rank sends
  friend auto operator<=>(const Traffic&, const Traffic&) = default;
};

/// All-reduce goes round twice: a reduce-scatter, then an all-gather.
[[nodiscard]] constexpr double passes_of(Collective op) {
  return op == Collective::all_reduce ? 2.0 : 1.0;
}

}  // namespace forerun
