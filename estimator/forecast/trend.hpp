// Growth of training compute: exponential trends, crossing dates and published projections.
#pragma once

#include <array>
#include <span>

#include "units/quantity.hpp"

namespace forerun {

/// An exponential through one dated point; `factor_per_year` is e^g, not a doubling time.
struct Trend {
  Flops anchor;
  double anchor_year = 0.0;  ///< a calendar year with its fraction, 2025.52
  double factor_per_year = 0.0;
};

/// C(t) = C0 g^(t - t0).
[[nodiscard]] Flops growth(const Trend& trend, double year);

/// Growth that falls back from one rate to another, after Besiroglu, Heim and Sevilla 2022.
struct Reversion {
  Flops anchor;
  double anchor_year = 0.0;
  double fast_per_year = 0.0;   ///< factor per year at the start
  double slow_per_year = 0.0;   ///< factor per year in the end
  double reversion_year = 0.0;  ///< R
};

/// Since when growth slows, t0, and Moore's law as a factor per year: twice in 20 months.
inline constexpr double slowing_since = 2022.0;
[[nodiscard]] double moore_per_year();

/// Bearish, middle and bullish R of the same, and their weights.
struct ReversionBranch {
  const char* name;
  double year;
  double weight;
};

inline constexpr std::array<ReversionBranch, 3> reversion_branches = {
    {{"bearish", 2030.0, 0.75}, {"middle", 2034.0, 0.20}, {"bullish", 2040.0, 0.05}}};

/// The same from 10^24.1 FLOP in 2022: twice in 6 months, in the end twice in 20 months (the post's
/// rate before deep learning is not printed and is taken to be the same).
[[nodiscard]] Reversion besiroglu_reversion(double reversion_year);

/// ln C(t) = ln C(t0) + integral of g_fast^w g_slow^(1 - w), g natural logs a year, w = exp(-(u -
/// t0)^2 / (2 (R - t0)^2)). The post prints C e^(g t) with g of the end; only the integral meets
/// its own table.
[[nodiscard]] Flops reverting_growth(const Reversion& reversion, double year);

/// The year in which the trend reaches `target`: t0 + ln(target / C0) / ln g.
[[nodiscard]] double crossing(const Trend& trend, Flops target);

/// Time in which a quantity that grows by `factor_per_year` doubles: ln 2 / ln g years.
[[nodiscard]] Seconds doubling_time(double factor_per_year);

/// One row of a published projection, log10 FLOP.
struct ProjectionRow {
  double year;
  double low;
  double median;
  double high;
};

/// The row of `year`, linear in log10 between neighbours of `rows` (ascending years). `year` must
/// lie within the rows: projections are not extrapolated.
[[nodiscard]] ProjectionRow projected_row(std::span<const ProjectionRow> rows, double year);

/// Besiroglu, Heim and Sevilla 2022, Table 1, 2025 to 2080; low and high are 2 s.d. away.
[[nodiscard]] ProjectionRow besiroglu_row(double year);

}  // namespace forerun
