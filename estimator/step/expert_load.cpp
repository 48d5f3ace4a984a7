#include "estimator/step/expert_load.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "units/integer.hpp"
#include "units/splitmix.hpp"

namespace forerun {
namespace {

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : state_(seed) {}

  // In (0, 1).
  double uniform() {
    const std::uint64_t x = splitmix64(state_);
    state_ += splitmix_step;
    return (static_cast<double>(x >> 11U) + 0.5) * 0x1p-53;
  }

  double normal() {
    return std::sqrt(-2.0 * std::log(uniform())) * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t state_;
};

// One expert's share before all are scaled to the rows that there are. Multinomial: the count of
// many choices is near normal with variance mean (1 - 1/E). Power law: between 1 row and 0.8 of the
// tokens, as aiconfigurator draws it (modelling.md 1.2).
double drawn_rows(
    const ExpertLoad& load, double mean, double tokens, double experts, Draws& draws) {
  if (load.kind == LoadKind::multinomial) {
    return std::max(0.0, mean + std::sqrt(mean * (1.0 - 1.0 / experts)) * draws.normal());
  }
  const double most = std::max(1.0, 0.8 * tokens);
  if (std::abs(load.alpha - 1.0) < 1e-6) {
    return std::pow(most, draws.uniform());
  }
  const double power = 1.0 - load.alpha;
  return std::pow((std::pow(most, power) - 1.0) * draws.uniform() + 1.0, 1.0 / power);
}

// Scales the draws to `rows` in all. No expert gets more than `tokens`: what is above goes to the
// others.
// NOLINTNEXTLINE(readability-function-cognitive-complexity): one loop of water-filling
void scale_to(std::vector<double>& drawn, double rows, double tokens) {
  std::vector<bool> is_full(drawn.size(), false);
  for (bool changes = true; changes;) {
    changes = false;
    double full = 0.0;
    double open = 0.0;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      (is_full[i] ? full : open) += is_full[i] ? tokens : drawn[i];
    }
    const double scale = open > 0.0 ? (rows - full) / open : 0.0;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      drawn[i] = is_full[i] ? tokens : drawn[i] * scale;
      if (!is_full[i] && drawn[i] > tokens) {
        is_full[i] = changes = true;
      }
    }
  }
}

std::int64_t whole_above(double value) {
  return static_cast<std::int64_t>(std::ceil(value - 1e-9));
}

}  // namespace

ExpertRows most_loaded(const ExpertLoad& load,
                       std::int64_t rows,
                       std::int64_t tokens,
                       std::int64_t experts,
                       std::int64_t ranks) {
  const std::int64_t held = experts / ranks;
  const std::int64_t even = ceil_div(rows, ranks);
  if (load.kind == LoadKind::balanced) {
    return {even, ceil_div(even, held)};
  }
  if (load.kind == LoadKind::busiest) {
    const double stated = std::min(load.factor * static_cast<double>(even), 1.0e18);
    const std::int64_t on_rank =
        std::clamp(whole_above(stated), even, std::max(even, std::min(rows, held * tokens)));
    return {on_rank, ceil_div(on_rank, held)};
  }
  constexpr int repetitions = 64;
  const auto all = static_cast<double>(rows);
  const auto count = static_cast<double>(experts);
  double rank_rows = 0.0;
  double largest = 0.0;
  std::vector<double> drawn(static_cast<std::size_t>(experts));
  for (int i = 0; i < repetitions; ++i) {
    Draws draws(static_cast<std::uint64_t>(i) + 1);
    std::ranges::generate(drawn, [&] {
      return drawn_rows(load, all / count, static_cast<double>(tokens), count, draws);
    });
    scale_to(drawn, all, static_cast<double>(tokens));
    double most = 0.0;
    double most_of_one = 0.0;
    for (auto first = drawn.begin(); first != drawn.end(); first += held) {
      const double sum = std::accumulate(first, first + held, 0.0);
      if (sum > most) {
        most = sum;
        most_of_one = *std::max_element(first, first + held);
      }
    }
    rank_rows += most / repetitions;
    largest += most_of_one / repetitions;
  }
  const std::int64_t on_rank = std::clamp(whole_above(rank_rows), even, rows);
  return {on_rank, std::clamp(whole_above(largest), ceil_div(on_rank, held), on_rank)};
}

double distinct_places(std::int64_t places, std::int64_t experts, std::int64_t top_k) {
  const std::int64_t others = experts - experts / places;
  double missed = 1.0;
  for (std::int64_t i = 0; i < top_k; ++i) {
    missed *= std::max(0.0, static_cast<double>(others - i) / static_cast<double>(experts - i));
  }
  return static_cast<double>(places) * (1.0 - missed);
}

}  // namespace forerun
