// The host's cost per kernel launch, calibrated on published steps: one number a software preset.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "estimator/validate/training_table.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct CalibratedHost {
  std::string software;
  Seconds per_launch;
  std::int64_t rows = 0;       ///< that were priced
  double error = 0.0;          ///< mean absolute relative error with it
  double error_without = 0.0;  ///< and without
};

/// Of every eager preset that the rows name, the cost in steps of 0.5 us that makes the mean
/// absolute relative error least; presets that no cost improves by a tenth are left out.
[[nodiscard]] std::vector<CalibratedHost> calibrate_host(const std::vector<TrainingRow>& rows);

/// host_costs.toml.
void write_host_costs(const std::vector<CalibratedHost>& costs,
                      const std::string& table,
                      std::ostream& out);

}  // namespace forerun
