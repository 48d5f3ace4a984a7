// The unit in which tests state the rates of links.
#pragma once

#include "units/unit.hpp"

namespace forerun {

inline constexpr auto gigabyte_rate = unit::gigabyte / unit::second;

}  // namespace forerun
