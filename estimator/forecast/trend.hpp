// Growth of training compute: exponential trends, crossing dates and published projections.
#pragma once

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
