// The mean error of one group of a validation.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "estimator/validate/validation.hpp"

namespace forerun {

/// A failure of the test, and 1, where there is no such group.
[[nodiscard]] inline double error_in(const Validation& validation, const std::string& name) {
  for (const auto& [group, statistics] : groups_of(validation)) {
    if (group == name) {
      return statistics.mape;
    }
  }
  ADD_FAILURE() << "no group " << name;
  return 1.0;
}

}  // namespace forerun
