#include "estimator/validate/nonnegative_fit.hpp"

#include <algorithm>
#include <utility>

#include <Eigen/Dense>

namespace forerun {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

// The unconstrained solution over the columns that are free; 0 elsewhere.
Vector solve_free(const Matrix& gram, const Vector& target, const std::vector<bool>& is_free) {
  std::vector<Eigen::Index> free;
  for (Eigen::Index i = 0; i < gram.rows(); ++i) {
    if (is_free[static_cast<std::size_t>(i)]) {
      free.push_back(i);
    }
  }
  const auto count = static_cast<Eigen::Index>(free.size());
  Matrix sub(count, count);
  Vector right(count);
  for (Eigen::Index i = 0; i < count; ++i) {
    right(i) = target(free[static_cast<std::size_t>(i)]);
    for (Eigen::Index j = 0; j < count; ++j) {
      sub(i, j) = gram(free[static_cast<std::size_t>(i)], free[static_cast<std::size_t>(j)]);
    }
  }
  const Vector solved = sub.completeOrthogonalDecomposition().solve(right);
  Vector whole = Vector::Zero(gram.rows());
  for (Eigen::Index i = 0; i < count; ++i) {
    whole(free[static_cast<std::size_t>(i)]) = solved(i);
  }
  return whole;
}

class ActiveSet {
 public:
  ActiveSet(Matrix gram, Vector target)
      : gram_(std::move(gram)),
        target_(std::move(target)),
        x_(Vector::Zero(gram_.rows())),
        is_free_(static_cast<std::size_t>(gram_.rows()), false) {}

  Vector solve() {
    // Each round frees one column; a handful of columns needs a handful of rounds.
    for (Eigen::Index round = 0; round < 3 * gram_.rows() && free_best(); ++round) {
      while (!accept()) {
      }
    }
    return x_;
  }

 private:
  // Frees the column along which the error falls fastest; false when none helps.
  bool free_best() {
    const Vector gradient = target_ - gram_ * x_;
    const double floor = 1e-12 * target_.cwiseAbs().maxCoeff();
    Eigen::Index best = -1;
    for (Eigen::Index i = 0; i < x_.size(); ++i) {
      const bool is_candidate = !is_free_[static_cast<std::size_t>(i)] && gradient(i) > floor;
      if (is_candidate && (best < 0 || gradient(i) > gradient(best))) {
        best = i;
      }
    }
    if (best >= 0) {
      is_free_[static_cast<std::size_t>(best)] = true;
    }
    return best >= 0;
  }

  // Moves to the free solution, or as far towards it as nothing turns negative.
  bool accept() {
    const Vector next = solve_free(gram_, target_, is_free_);
    double step = 1.0;
    Eigen::Index limiting = -1;
    for (Eigen::Index i = 0; i < x_.size(); ++i) {
      if (is_free_[static_cast<std::size_t>(i)] && next(i) <= 0.0) {
        const double distance = x_(i) - next(i);
        const double reach = distance > 0.0 ? x_(i) / distance : 0.0;
        if (limiting < 0 || reach < step) {
          step = reach;
          limiting = i;
        }
      }
    }
    if (limiting < 0) {
      x_ = next;
      return true;
    }
    x_ += step * (next - x_);
    x_(limiting) = 0.0;
    is_free_[static_cast<std::size_t>(limiting)] = false;
    return false;
  }

  Matrix gram_;
  Vector target_;
  Vector x_;
  std::vector<bool> is_free_;
};

}  // namespace

std::vector<double> nonnegative_fit(const std::vector<std::vector<double>>& rows,
                                    const std::vector<double>& b) {
  if (rows.empty()) {
    return {};
  }
  const auto columns = static_cast<Eigen::Index>(rows.front().size());
  Matrix a(static_cast<Eigen::Index>(rows.size()), columns);
  Vector right(a.rows());
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    right(i) = b[static_cast<std::size_t>(i)];
    for (Eigen::Index j = 0; j < columns; ++j) {
      a(i, j) = rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    }
  }
  // Columns of unit length, so that one tolerance serves all of them.
  Vector scale = a.colwise().norm();
  for (Eigen::Index j = 0; j < columns; ++j) {
    scale(j) = scale(j) > 0.0 ? scale(j) : 1.0;
    a.col(j) /= scale(j);
  }
  const Vector x = ActiveSet(a.transpose() * a, a.transpose() * right).solve();
  std::vector<double> coefficients;
  for (Eigen::Index j = 0; j < columns; ++j) {
    coefficients.push_back(x(j) / scale(j));
  }
  return coefficients;
}

}  // namespace forerun
