#include "estimator/step/rank_noise.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::size_t fewest_windows = 4;

Seconds median_of(std::vector<Seconds> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  if (times.size() % 2 == 1) {
    return *middle;
  }
  return (*middle + *std::max_element(times.begin(), middle)) / 2.0;
}

// Of each kernel, the mean over ranks of its median.
std::vector<Seconds> usual_times(const KernelTimes& times, std::size_t kernels) {
  std::vector<Seconds> usual(kernels);
  for (const auto& rank : times) {
    for (std::size_t kernel = 0; kernel < kernels; ++kernel) {
      std::vector<Seconds> repeated;
      for (std::size_t at = kernel; at < rank.size(); at += kernels) {
        repeated.push_back(rank[at]);
      }
      usual[kernel] += median_of(std::move(repeated)) / static_cast<double>(times.size());
    }
  }
  return usual;
}

std::vector<std::size_t> group_sizes(std::size_t ranks) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size < ranks; size *= 2) {
    sizes.push_back(size);
  }
  sizes.push_back(ranks);
  return sizes;
}

// Prefix sums, so that any window is a difference.
std::vector<Seconds> summed(const std::vector<Seconds>& times) {
  std::vector<Seconds> sums;
  sums.reserve(times.size() + 1);
  sums.emplace_back();
  for (const Seconds time : times) {
    sums.push_back(sums.back() + time);
  }
  return sums;
}

// The mean over whole groups of neighbours of the slowest in them.
Seconds slowest_of_groups(const std::vector<Seconds>& by_rank, std::size_t size) {
  Seconds sum;
  std::size_t groups = 0;
  for (std::size_t first = 0; first + size <= by_rank.size(); first += size, ++groups) {
    const auto begin = by_rank.begin() + static_cast<std::ptrdiff_t>(first);
    sum += *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(size));
  }
  return sum / static_cast<double>(groups);
}

double between(double low, double high, double share) {
  return low + (high - low) * std::clamp(share, 0.0, 1.0);
}

}  // namespace

std::vector<NoisePoint> noise_points(const KernelTimes& times, std::size_t kernels) {
  const std::vector<Seconds> usual = usual_times(times, kernels);
  const std::size_t count = times.front().size();
  std::vector<Seconds> all_usual;
  all_usual.reserve(count);
  for (std::size_t at = 0; at < count; ++at) {
    all_usual.push_back(usual[at % kernels]);
  }
  const std::vector<Seconds> expected = summed(all_usual);
  std::vector<std::vector<Seconds>> taken;
  taken.reserve(times.size());
  for (const auto& rank : times) {
    taken.push_back(summed(rank));
  }
  std::vector<NoisePoint> points;
  for (const std::size_t size : group_sizes(times.size())) {
    for (std::size_t window = 1; window * fewest_windows <= count; window *= 2) {
      Seconds slowest;
      const std::size_t windows = count / window;
      for (std::size_t i = 0; i < windows; ++i) {
        std::vector<Seconds> by_rank;
        by_rank.reserve(taken.size());
        for (const auto& sums : taken) {
          by_rank.push_back(sums[(i + 1) * window] - sums[i * window]);
        }
        slowest += slowest_of_groups(by_rank, size);
      }
      const Seconds work = expected[windows * window];
      points.push_back({static_cast<std::int64_t>(size),
                        work / static_cast<double>(windows),
                        slowest / work - 1.0});
    }
  }
  return points;
}

std::vector<NoisePoint> mean_of(const std::vector<std::vector<NoisePoint>>& pieces) {
  std::vector<NoisePoint> mean = pieces.front();
  for (std::size_t i = 0; i < mean.size(); ++i) {
    mean[i].work = Seconds();
    mean[i].excess = 0.0;
    for (const auto& piece : pieces) {
      mean[i].work += piece[i].work / static_cast<double>(pieces.size());
      mean[i].excess += piece[i].excess / static_cast<double>(pieces.size());
    }
  }
  return mean;
}

RankNoise::RankNoise(std::vector<NoisePoint> points) {
  std::ranges::stable_sort(
      points, {}, [](const NoisePoint& point) { return std::pair(point.ranks, point.work); });
  for (const NoisePoint& point : points) {
    if (groups_.empty() || groups_.back().ranks != point.ranks) {
      groups_.push_back({point.ranks, {}});
    }
    groups_.back().points.push_back(point);
  }
}

double RankNoise::excess_of(const Group& group, Seconds work) {
  const auto above = std::ranges::lower_bound(group.points, work, {}, &NoisePoint::work);
  if (above == group.points.begin()) {
    return above->excess;
  }
  const NoisePoint& below = *std::prev(above);
  if (above == group.points.end()) {
    return below.excess;
  }
  return between(below.excess,
                 above->excess,
                 std::log(work / below.work) / std::log(above->work / below.work));
}

double RankNoise::excess(Seconds work, std::int64_t ranks) const {
  if (groups_.empty()) {
    return 0.0;
  }
  const auto above = std::ranges::lower_bound(groups_, ranks, {}, &Group::ranks);
  if (above == groups_.begin()) {
    return excess_of(*above, work);
  }
  const Group& below = *std::prev(above);
  const auto logarithm = [](std::int64_t count) { return std::log(static_cast<double>(count)); };
  if (above != groups_.end()) {
    const double share = (logarithm(ranks) - logarithm(below.ranks)) /
                         (logarithm(above->ranks) - logarithm(below.ranks));
    return between(excess_of(below, work), excess_of(*above, work), share);
  }
  const double most = excess_of(below, work);
  if (below.ranks == 1) {
    return most;  // of one rank nothing follows for several
  }
  const double alone = excess_of(groups_.front(), work);
  return alone + (most - alone) * std::sqrt(logarithm(ranks) / logarithm(below.ranks));
}

double RankNoise::wait(Seconds work, std::int64_t ranks) const {
  return std::max(0.0, (1.0 + excess(work, ranks)) / (1.0 + excess(work, 1)) - 1.0);
}

}  // namespace forerun
