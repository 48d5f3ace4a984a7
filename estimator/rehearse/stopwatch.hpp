// Wall-clock time from its making.
#pragma once

#include <chrono>

#include "units/quantity.hpp"
#include "units/unit.hpp"

namespace forerun {

class Stopwatch {
 public:
  [[nodiscard]] Seconds elapsed() const {
    return std::chrono::duration<double>(Clock::now() - start_).count() * unit::second;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace forerun
