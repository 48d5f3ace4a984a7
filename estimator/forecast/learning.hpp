// How fast copies learn together: experience per day, useful run length, critical batch.
#pragma once

#include <span>

#include "units/quantity.hpp"

namespace forerun {

/// Years of experience that `copies` gather in one day, one day each: copies / 365.25.
[[nodiscard]] double learning_rate(double copies);

/// The run length beyond which starting later would win: 1 / sum(ln g), over growth factors per
/// year of hardware, software and spending. Epoch 2022, as corrected on 2023-06-28.
[[nodiscard]] Seconds longest_run(std::span<const double> factors_per_year);

/// McCandlish et al. 2018: steps and examples at a batch, over their least possible values.
struct BatchCost {
  double steps;     ///< S / S_min = 1 + B_crit / B
  double examples;  ///< E / E_min = 1 + B / B_crit
};

[[nodiscard]] BatchCost batch_cost(double batch, double critical_batch);

/// B_crit = B* / L^(1/0.21) tokens at a loss of L nats; B* about 2.0 to 2.1e8 tokens.
/// Kaplan et al. 2020.
[[nodiscard]] double critical_batch(double loss, double batch_scale);

}  // namespace forerun
