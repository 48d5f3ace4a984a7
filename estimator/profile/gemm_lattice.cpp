#include "estimator/profile/gemm_lattice.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/profile/roofline.hpp"
#include "units/data_type.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::int64_t gemm_tile_rows = 128;

double size_at(int half_octaves) {
  return std::exp2(0.5 * half_octaves);
}

std::int64_t in_whole_tiles(std::int64_t rows) {
  return rows <= gemm_tile_rows ? rows
                                : (rows + gemm_tile_rows - 1) / gemm_tile_rows * gemm_tile_rows;
}

// A corner of the table below `size`, and how far towards the next one, in the logarithm.
struct Between {
  std::size_t below = 0;
  double share = 0.0;
};

Between between(const std::vector<double>& axis, double size) {
  const double inside = std::clamp(size, axis.front(), axis.back());
  const auto above = std::upper_bound(axis.begin() + 1, axis.end() - 1, inside);
  const auto i = static_cast<std::size_t>(above - axis.begin()) - 1;
  return {i, std::log(inside / axis[i]) / std::log(axis[i + 1] / axis[i])};
}

// The sizes of one axis of the lattice, and where they lie between the table's corners.
struct Sizes {
  std::vector<double> at;
  std::vector<Between> corners;

  Sizes(int first, int count, const std::vector<double>& axis) {
    for (int i = 0; i < count; ++i) {
      at.push_back(size_at(first + i));
      corners.push_back(between(axis, at.back()));
    }
  }
};

// Logarithms of utilisation at the corners of a table, linear in those of the sizes in between.
class Utilisation {
 public:
  explicit Utilisation(const GemmTable& table)
      : strides_{table.n.size() * table.k.size(), table.k.size(), 1}, log_(table.utilisation) {
    std::ranges::transform(log_, log_.begin(), [](double value) { return std::log(value); });
  }

  [[nodiscard]] double log_at(const Between& m, const Between& n, const Between& k) const {
    double sum = 0.0;
    for (unsigned corner = 0; corner < 8; ++corner) {
      const double weight = part(m, corner >> 2U) * part(n, corner >> 1U) * part(k, corner);
      sum += weight * log_[place(m, corner >> 2U) * strides_[0] +
                           place(n, corner >> 1U) * strides_[1] + place(k, corner)];
    }
    return sum;
  }

 private:
  static double part(const Between& at, unsigned corner) {
    return (corner & 1U) == 1U ? at.share : 1.0 - at.share;
  }

  static std::size_t place(const Between& at, unsigned corner) { return at.below + (corner & 1U); }

  std::array<std::size_t, 3> strides_;
  std::vector<double> log_;
};

// C is written in 16 bits, whatever the operands are.
constexpr double output_bytes = 2.0;

}  // namespace

GemmLattice::GemmLattice(const GemmTable& table,
                         FlopsPerSecond peak,
                         BytesPerSecond memory_bandwidth)
    : launch_s_(table.launch.in(unit::second)),
      bytes_per_s_((table.byte_fraction * memory_bandwidth).in(unit::byte / unit::second)),
      quantise_launch_s_(table.quantise_launch.in(unit::second)),
      quantise_bytes_per_element_(table.quantise_bytes_per_element),
      flop_per_s_((table.flop_fraction * peak).in(unit::flop / unit::second)),
      operand_bytes_(size_of(table.type).in(unit::byte)),
      // 1 to 2^17 rows, 64 to 2^18 columns and terms.
      axes_{{{0, 35, 25UL * 25UL}, {12, 25, 25UL}, {12, 25, 1UL}}} {
  fill(table, peak.in(unit::flop / unit::second));
  make_monotone();
}

void GemmLattice::fill(const GemmTable& table, double peak) {
  const Roofline roofline{launch_s_, flop_per_s_, bytes_per_s_};
  const Utilisation utilisation(table);
  const Sizes rows(axes_[0].first, axes_[0].count, table.m);
  const Sizes columns(axes_[1].first, axes_[1].count, table.n);
  const Sizes terms(axes_[2].first, axes_[2].count, table.k);
  log2_seconds_.reserve(rows.at.size() * axes_[0].stride);
  for (std::size_t i = 0; i < rows.at.size(); ++i) {
    for (std::size_t j = 0; j < columns.at.size(); ++j) {
      for (std::size_t l = 0; l < terms.at.size(); ++l) {
        const double m = rows.at[i];
        const double n = columns.at[j];
        const double k = terms.at[l];
        const double flop = 2.0 * m * n * k;
        const double bytes = operand_bytes_ * (m * k + n * k) + output_bytes * m * n;
        const double log_used =
            utilisation.log_at(rows.corners[i], columns.corners[j], terms.corners[l]);
        const double fitted = roofline.seconds(flop, bytes) * std::exp(-log_used);
        log2_seconds_.push_back(std::log2(std::max(fitted, flop / peak)));
      }
    }
  }
}

// The running maximum from the small end and the running minimum from the large end, along each
// axis in turn: each leaves no corner below one with smaller sizes, and so does their mean, which
// moves the two sides of a disagreement half way. Then nothing between corners falls either.
void GemmLattice::make_monotone() {
  std::vector<double> least = log2_seconds_;
  const std::size_t corners = log2_seconds_.size();
  for (const Axis& axis : axes_) {
    const auto index_of = [&axis](std::size_t corner) {
      return corner / axis.stride % static_cast<std::size_t>(axis.count);
    };
    for (std::size_t i = 0; i < corners; ++i) {
      if (index_of(i) > 0) {
        log2_seconds_[i] = std::max(log2_seconds_[i], log2_seconds_[i - axis.stride]);
      }
      const std::size_t back = corners - 1 - i;
      if (index_of(back) + 1 < static_cast<std::size_t>(axis.count)) {
        least[back] = std::min(least[back], least[back + axis.stride]);
      }
    }
  }
  for (std::size_t i = 0; i < corners; ++i) {
    log2_seconds_[i] = 0.5 * (log2_seconds_[i] + least[i]);
  }
}

GemmLattice::Place GemmLattice::place_of(const Axis& axis, double size) {
  const int last = axis.count - 1;
  const double at = 2.0 * std::log2(size) - axis.first;
  const double inside = std::clamp(at, 0.0, static_cast<double>(last));
  const int below = std::min(static_cast<int>(inside), last - 1);
  const double beyond = at > last ? size / size_at(axis.first + last) : 1.0;
  return {static_cast<std::size_t>(below) * axis.stride, inside - below, beyond};
}

Seconds GemmLattice::time(const ProductSizes& sizes) const {
  const std::array<Place, 3> at{place_of(axes_[0], static_cast<double>(in_whole_tiles(sizes.m))),
                                place_of(axes_[1], static_cast<double>(sizes.n)),
                                place_of(axes_[2], static_cast<double>(sizes.k))};
  const double* const corner = &log2_seconds_[at[0].corner + at[1].corner + at[2].corner];
  const auto along = [](double low, double high, double share) {
    return low + share * (high - low);
  };
  std::array<double, 4> lines{};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const double* const start = corner + (i >> 1U) * axes_[0].stride + (i & 1U) * axes_[1].stride;
    lines[i] = along(start[0], start[1], at[2].share);
  }
  const double log2_time = along(
      along(lines[0], lines[1], at[1].share), along(lines[2], lines[3], at[1].share), at[0].share);
  return std::exp2(log2_time) * at[0].beyond * at[1].beyond * at[2].beyond * unit::second;
}

Seconds GemmLattice::grouped_time(const ProductSizes& all, Bytes bytes) const {
  const double one = time(all).in(unit::second)-launch_s_;
  const double memory = bytes.in(unit::byte) / bytes_per_s_;
  // Both limits rounded as in the roofline: a rate of one FLOP a second makes `one` its FLOP.
  return Roofline{launch_s_, 1.0, 1.0}.seconds(std::max(one, 0.0), memory) * unit::second;
}

Seconds GemmLattice::streaming_time(Bytes bytes) const {
  return bytes.in(unit::byte) / bytes_per_s_ * unit::second;
}

Seconds GemmLattice::quantise_time(const ProductSizes& sizes) const {
  const double elements = static_cast<double>(sizes.m) * static_cast<double>(sizes.k);
  return (quantise_launch_s_ + quantise_bytes_per_element_ * elements / bytes_per_s_) *
         unit::second;
}

}  // namespace forerun
