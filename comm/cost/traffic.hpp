// What an algorithm does for one collective, whatever the links: messages in a row, bytes sent.
#pragma once

#include "units/quantity.hpp"

namespace forerun {

struct Traffic {
  double steps = 0.0;  ///< messages that follow each other
  Bytes wire;          ///< that the busiest rank sends
  friend auto operator<=>(const Traffic&, const Traffic&) = default;
};

}  // namespace forerun
