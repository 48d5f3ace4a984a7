#include "kernels/kernel_shape.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "units/integer.hpp"

namespace forerun {
namespace {

// Shares of a power law (i + 1)^-alpha over the groups; the first is the largest.
std::vector<double> power_law(std::int64_t groups, double alpha) {
  std::vector<double> shares(static_cast<std::size_t>(groups));
  for (std::size_t i = 0; i < shares.size(); ++i) {
    shares[i] = std::pow(static_cast<double>(i + 1), -alpha);
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::ranges::transform(shares, shares.begin(), [sum](double share) { return share / sum; });
  return shares;
}

// The alpha whose first share is `share`, by bisection: the share grows with alpha.
double alpha_for(std::int64_t groups, double share) {
  double low = 0.0;
  double high = 64.0;  // 2^-64 of the rows are left for the second group
  constexpr int halvings = 60;
  for (int i = 0; i < halvings; ++i) {
    const double middle = 0.5 * (low + high);
    (power_law(groups, middle).front() < share ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

std::vector<std::int64_t> group_rows(const GroupedGemmShape& shape) {
  if (shape.groups < 1 || (shape.groups == 1 && shape.largest != shape.rows) ||
      shape.largest > shape.rows || shape.largest < ceil_div(shape.rows, shape.groups)) {
    throw std::invalid_argument("no distribution of the rows over the groups has this maximum");
  }
  const double share = static_cast<double>(shape.largest) /
                       static_cast<double>(std::max<std::int64_t>(shape.rows, 1));
  const auto shares = power_law(shape.groups, alpha_for(shape.groups, share));
  std::vector<std::int64_t> rows(shares.size());
  rows.front() = shape.largest;
  std::int64_t left = shape.rows - shape.largest;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto wanted = static_cast<std::int64_t>(shares[i] * static_cast<double>(shape.rows));
    rows[i] = std::min({wanted, left, shape.largest});
    left -= rows[i];
  }
  // What rounding down left over, one row each from the front, none above the maximum.
  for (std::size_t i = 1; left > 0; i = i + 1 == rows.size() ? 1 : i + 1) {
    const std::int64_t more = rows[i] < shape.largest ? 1 : 0;
    rows[i] += more;
    left -= more;
  }
  return rows;
}

std::int64_t key_length(const AttentionKeyShape& shape) {
  return shape.keys == 0 ? shape.length : shape.keys;
}

std::int64_t value_size(const AttentionKeyShape& shape) {
  return shape.value_size == 0 ? shape.head_size : shape.value_size;
}

std::int64_t value_size(const DecodeShape& shape) {
  return shape.value_size == 0 ? shape.head_size : shape.value_size;
}

std::int64_t rotary_size(const HeadsShape& shape) {
  return shape.rotary_size == 0 ? shape.head_size : shape.rotary_size;
}

double alibi_slope(std::int64_t head, std::int64_t heads) {
  const auto below = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(heads)));
  const std::int64_t extra = head - below;
  const double step = -8.0 / static_cast<double>(extra < 0 ? below : 2 * below);
  const std::int64_t place = extra < 0 ? head + 1 : 2 * extra + 1;
  return std::exp2(step * static_cast<double>(place));
}

bool is_packed(const AttentionKeyShape& shape) {
  return key_length(shape) == shape.length && value_size(shape) == shape.head_size &&
         shape.offset == 0;
}

VisibleKeys visible_keys(const AttentionKeyShape& shape, std::int64_t query) {
  const std::int64_t own = query + shape.offset;
  const std::int64_t keys = key_length(shape);
  const std::int64_t last =
      shape.mask == Mask::causal ? std::clamp<std::int64_t>(own + 1, 0, keys) : keys;
  const std::int64_t first =
      shape.window == 0 ? 0 : std::clamp<std::int64_t>(own + 1 - shape.window, 0, last);
  return {first, last};
}

}  // namespace forerun
