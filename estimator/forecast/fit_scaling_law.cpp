#include "estimator/forecast/fit_scaling_law.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <Eigen/Dense>

#include "estimator/forecast/random_stream.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

constexpr double huber_delta = 1e-3;

// ln A, ln B, ln E, alpha, beta.
using Point = Eigen::Matrix<double, 5, 1>;
using Square = Eigen::Matrix<double, 5, 5>;

struct LogRun {
  double log_parameters = 0.0;
  double log_tokens = 0.0;
  double log_loss = 0.0;
};

using LogRuns = std::vector<LogRun>;

struct Residual {
  double value = 0.0;
  Point slope;
};

// ln(e^x + e^y + e^z) without overflow, and its derivatives: the shares of the terms.
Residual residual_of(const LogRun& run, const Point& p) {
  const std::array<double, 3> terms{
      p[0] - p[3] * run.log_parameters, p[1] - p[4] * run.log_tokens, p[2]};
  const double most = *std::ranges::max_element(terms);
  std::array<double, 3> shares{};
  double sum = 0.0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    shares.at(i) = std::exp(terms.at(i) - most);
    sum += shares.at(i);
  }
  const double a = shares[0] / sum;
  const double b = shares[1] / sum;
  Residual residual;
  residual.value = most + std::log(sum) - run.log_loss;
  residual.slope << a, b, shares[2] / sum, -a * run.log_parameters, -b * run.log_tokens;
  return residual;
}

double huber(double residual) {
  const double size = std::abs(residual);
  return size <= huber_delta ? 0.5 * size * size : huber_delta * (size - 0.5 * huber_delta);
}

double objective(const LogRuns& runs, const Point& p) {
  double sum = 0.0;
  for (const LogRun& run : runs) {
    sum += huber(residual_of(run, p).value);
  }
  return sum;
}

struct Descent {
  Point point;
  double objective = std::numeric_limits<double>::infinity();
};

// Gauss-Newton on the weighted squares whose gradient is the Huber loss's, damped until it
// descends.
Descent descend(const LogRuns& runs, const Point& start, int most_steps) {
  Descent now{start, objective(runs, start)};
  double damping = 1e-3;
  for (int step = 0; step < most_steps && damping < 1e12; ++step) {
    Square normal = Square::Zero();
    Point gradient = Point::Zero();
    for (const LogRun& run : runs) {
      const Residual r = residual_of(run, now.point);
      const double weight = std::min(1.0, huber_delta / std::max(std::abs(r.value), 1e-300));
      normal += weight * r.slope * r.slope.transpose();
      gradient += weight * r.value * r.slope;
    }
    Square damped = normal;
    damped.diagonal() += damping * (normal.diagonal().array() + 1e-12).matrix();
    const Point next = now.point - damped.ldlt().solve(gradient);
    const double value = objective(runs, next);
    if (std::isfinite(value) && value < now.objective) {
      const double gain = (now.objective - value) / now.objective;
      now = {next, value};
      damping *= 0.3;
      if (gain < 1e-12) {
        break;
      }
    } else {
      damping *= 5.0;
    }
  }
  return now;
}

LogRuns logs_of(std::span<const TrainedModel> runs) {
  LogRuns logs;
  for (const TrainedModel& run : runs) {
    if (!(run.parameters > 0.0) || !(run.tokens > 0.0) || !(run.loss > 0.0)) {
      throw InputError("runs", "need parameters, tokens and a loss above 0 each");
    }
    logs.push_back({std::log(run.parameters), std::log(run.tokens), std::log(run.loss)});
  }
  constexpr std::size_t least_runs = 6;  // one more than there are parameters
  if (logs.size() < least_runs) {
    throw InputError("runs",
                     "are " + std::to_string(logs.size()) + ": five parameters need at least " +
                         std::to_string(least_runs));
  }
  return logs;
}

// The grid of Hoffmann et al. 2022, appendix D.3, thinned: A and B up to e^20, E from 0.6 to 2.7,
// exponents up to 1.
std::vector<Point> starts() {
  std::vector<Point> grid;
  for (const double log_a : {0.0, 7.0, 14.0}) {
    for (const double log_b : {0.0, 7.0, 14.0}) {
      for (const double log_e : {-0.5, 0.5, 1.0}) {
        for (const double alpha : {0.1, 0.4, 0.8}) {
          for (const double beta : {0.1, 0.4, 0.8}) {
            Point p;
            p << log_a, log_b, log_e, alpha, beta;
            grid.push_back(p);
          }
        }
      }
    }
  }
  return grid;
}

LossFit law_of(const Point& p) {
  return {std::exp(p[2]), std::exp(p[0]), std::exp(p[1]), p[3], p[4]};
}

Point point_of(const LossFit& fit) {
  Point p;
  p << std::log(fit.a), std::log(fit.b), std::log(fit.irreducible), fit.alpha, fit.beta;
  return p;
}

Interval interval_of(std::vector<double> values) {
  std::ranges::sort(values);
  const auto count = static_cast<double>(values.size());
  const auto at = [&](double level) {
    const double rank = std::clamp(std::ceil(level * count) - 1.0, 0.0, count - 1.0);
    return values[static_cast<std::size_t>(rank)];
  };
  double mean = 0.0;
  for (const double value : values) {
    mean += value / count;
  }
  double squares = 0.0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
  }
  return {at(0.025), at(0.975), std::sqrt(squares / std::max(1.0, count - 1.0))};
}

}  // namespace

FittedLaw fit_scaling_law(std::span<const TrainedModel> runs) {
  constexpr int coarse_steps = 60;
  constexpr int fine_steps = 2000;
  const LogRuns logs = logs_of(runs);
  const std::vector<Point> grid = starts();
  Descent best;
  for (const Point& start : grid) {
    const Descent found = descend(logs, start, coarse_steps);
    if (found.objective < best.objective) {
      best = found;
    }
  }
  best = descend(logs, best.point, fine_steps);
  return {law_of(best.point),
          best.objective,
          static_cast<std::int64_t>(grid.size()),
          static_cast<std::int64_t>(runs.size())};
}

std::vector<Interval> bootstrap_law(std::span<const TrainedModel> runs,
                                    const LossFit& fit,
                                    std::int64_t resamples,
                                    std::uint64_t seed) {
  constexpr int steps = 200;
  const LogRuns logs = logs_of(runs);
  const Point start = point_of(fit);
  std::array<std::vector<double>, 5> values;
  for (std::int64_t resample = 0; resample < resamples; ++resample) {
    LogRuns drawn;
    for (std::size_t i = 0; i < logs.size(); ++i) {
      const auto uniform = uniform_pair(
          seed, static_cast<std::uint64_t>(resample), static_cast<std::uint32_t>(i))[0];
      drawn.push_back(logs[static_cast<std::size_t>(uniform * static_cast<double>(logs.size()))]);
    }
    const LossFit law = law_of(descend(drawn, start, steps).point);
    const std::array<double, 5> row{law.irreducible, law.a, law.b, law.alpha, law.beta};
    for (std::size_t i = 0; i < row.size(); ++i) {
      values.at(i).push_back(row.at(i));
    }
  }
  std::vector<Interval> intervals;
  intervals.reserve(values.size());
  for (const auto& column : values) {
    intervals.push_back(interval_of(column));
  }
  return intervals;
}

std::vector<TrainedModel> without_least_trained(std::span<const TrainedModel> runs,
                                                std::int64_t count) {
  std::vector<TrainedModel> kept(runs.begin(), runs.end());
  std::ranges::stable_sort(
      kept, {}, [](const TrainedModel& run) { return run.tokens / run.parameters; });
  const auto dropped = std::min<std::int64_t>(count, std::ssize(kept));
  kept.erase(kept.begin(), kept.begin() + dropped);
  return kept;
}

}  // namespace forerun
