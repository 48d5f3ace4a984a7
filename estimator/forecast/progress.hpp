// Progress that is not more FLOP: algorithms (Ho et al. 2024), density of models (densing law).
#pragma once

#include "estimator/forecast/scaling_law.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// One term of the preferred specification of Ho et al. 2024: loss falls by `per_year` and by
/// `per_log` for each unit of ln N or ln D (arXiv 2403.05812, table 2). As of 2024-03.
struct ProgressTerm {
  double per_year = 0.0;
  double per_log = 0.0;
};

inline constexpr ProgressTerm ho_parameters{0.003938, 0.067982};
inline constexpr ProgressTerm ho_data{0.035620, 0.039587};

/// ln 2 per_log / per_year: time in which progress is worth a doubling of N or D. Not identified
/// one by one: bootstraps of T_N change sign. Use `compute_doubling`.
[[nodiscard]] Seconds term_doubling(const ProgressTerm& term);

/// 1 / (1/T1 + 1/T2): two exponential improvements that multiply.
[[nodiscard]] Seconds combine_doublings(Seconds first, Seconds second);

/// T_C of both terms, since ln C_eff = ln N_eff + ln D_eff along C = 6 N D.
[[nodiscard]] Seconds compute_doubling(const ProgressTerm& parameters, const ProgressTerm& data);

/// 2^(year / T).
[[nodiscard]] double factor_per_year(Seconds doubling);

/// C_eff = C 2^(elapsed / T): training compute with the algorithms of a later date.
[[nodiscard]] Flops effective(Flops physical, Seconds doubling, Seconds elapsed);

/// Largest capability density of open models, arXiv 2412.04315 (densing law, as of 2024-12):
/// ln rho = growth_per_day t + level, t days since 24 February 2023.
struct DensityTrend {
  double growth_per_day = 0.0;
  double level = 0.0;
};

/// growth 0.007 a day (highlights, R^2 0.93); the level is not printed: -2.81 puts Llama-1 below
/// 0.1 at the start and the models of autumn 2024 at about 3, as the paper's figure has them.
inline constexpr DensityTrend density_trend{0.007, -2.81};

/// 24 February 2023, the release of Llama, from which the trend counts.
inline constexpr double density_epoch = 2023.0 + 54.0 / 365.0;

[[nodiscard]] Seconds density_doubling(double growth_per_day);
/// rho at a calendar year with its fraction.
[[nodiscard]] double density(const DensityTrend& trend, double year);

/// N-hat of the densing law: parameters of the reference family that reach the loss `loss` at
/// `tokens` of training data (1e12 in the paper): ((L - E - b D^-beta) / a)^(-1 / alpha). Nothing
/// below the family's floor is reached: then infinite.
[[nodiscard]] double reference_parameters(double loss, double tokens, const LossFit& family);

/// What runs at `tokens_per_s` on a device: memory and bandwidth each limit the weights.
struct EdgeDevice {
  Bytes memory;
  BytesPerSecond bandwidth;
  double year = 0.0;  ///< in which it is sold
};

struct EdgeModel {
  double parameters = 0.0;             ///< the largest that runs there
  double equivalent_parameters = 0.0;  ///< of the reference family: density x parameters
  bool bandwidth_binds = false;        ///< else memory
  EdgeDevice device;                   ///< grown to the year asked for
};

/// N = min(m / p, bandwidth / (p v)); both grow by 2 in 4.1 and 4.0 years (Epoch AI, machine
/// learning hardware, as of 2025) between the device's year and `year`. `bytes_per_parameter` p,
/// all of the memory for weights, `tokens_per_s` v for one user.
[[nodiscard]] EdgeModel edge_model(const EdgeDevice& device,
                                   double year,
                                   double bytes_per_parameter,
                                   double tokens_per_s,
                                   const DensityTrend& trend);

/// Time in which a model stays the densest of its capability: from its release until another half
/// its size does as well, one doubling of density.
[[nodiscard]] Seconds best_value_window(double growth_per_day);

}  // namespace forerun
