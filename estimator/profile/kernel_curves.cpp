#include "estimator/profile/kernel_curves.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Leaving one model out on the public A100 and H100 tables: 8 neighbours 4.20 and 5.61 %,
// 12 neighbours 4.16 and 5.45 %, 20 neighbours 4.11 and 5.33 %.
constexpr std::size_t most_neighbours = 12;
// Halving or doubling `reach` moves the error on public timings by at most 0.05 points, `bracket`
// by none (`validate --kernels`).
const double reach = std::log(16.0);         // further away another limit decides
const double bracket = 2.0 * std::log(4.0);  // of an own curve, in the first coordinate
constexpr double softening = 1e-4;           // keeps the weight of a twin finite

// Where the error of transfer is known: what lies nearer than this was left out.
constexpr std::array<double, 5> distances{0.0, 0.35, 0.7, 1.4, 2.8};

Work work_of(const KernelRecord& record) {
  return {hardware_flops(record.key).in(unit::flop),
          minimum_traffic(record.key).in(unit::byte),
          record.timing.median.in(unit::second)};
}

bool same_but_rows(const KernelPoint& a, const KernelPoint& b) {
  return std::equal(a.at.begin() + 1, a.at.end(), b.at.begin() + 1);
}

Seconds time_of(const KernelKey& key, const Roofline& roofline, double log_utilisation) {
  const double at_roofline =
      roofline.seconds(hardware_flops(key).in(unit::flop), minimum_traffic(key).in(unit::byte));
  return at_roofline / std::exp(log_utilisation) * unit::second;
}

}  // namespace

KernelCurves::Kind KernelCurves::kind_of(const KernelFamily& family) {
  return {is_matrix_work(family.op) ? Limits::flop_and_bytes : Limits::bytes, family.type};
}

// Too few points for three parameters: the median rate of what limits the kind.
KernelCurves::Fitted KernelCurves::fit(const std::vector<Work>& points,
                                       const KernelFamily& family) {
  const Limits limits = kind_of(family).limits;
  const bool is_matrix = limits == Limits::flop_and_bytes;
  Fitted fitted;
  if (const auto roofline = fit_roofline(points, limits)) {
    fitted.roofline = *roofline;
  } else {
    std::vector<double> rates;
    rates.reserve(points.size());
    for (const Work& point : points) {
      rates.push_back((is_matrix ? point.flop : point.bytes) / point.seconds);
    }
    const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
    std::ranges::nth_element(rates, middle);
    constexpr double none = std::numeric_limits<double>::infinity();
    fitted.roofline = is_matrix ? Roofline{0.0, *middle, none} : Roofline{0.0, none, *middle};
  }
  for (const Work& point : points) {
    const double modelled = fitted.roofline.seconds(point.flop, point.bytes);
    fitted.error += std::abs(modelled / point.seconds - 1.0) / static_cast<double>(points.size());
  }
  return fitted;
}

KernelCurves::KernelCurves(std::span<const KernelRecord> records) {
  std::map<KernelFamily, std::vector<const KernelRecord*>> by_family;
  for (const KernelRecord& record : records) {
    by_family[family_of(record.key)].push_back(&record);
  }
  std::map<Kind, std::vector<Work>> by_kind;
  for (const auto& [id, members] : by_family) {
    std::vector<Work> points;
    std::ranges::transform(members, std::back_inserter(points), [](const KernelRecord* record) {
      return work_of(*record);
    });
    Family& family = families_[id];
    family.fitted = fit(points, id);
    for (std::size_t i = 0; i < members.size(); ++i) {
      const double modelled = family.fitted.roofline.seconds(points[i].flop, points[i].bytes);
      family.members.push_back({point_of(members[i]->key), std::log(modelled / points[i].seconds)});
    }
    std::ranges::sort(family.members, {}, [](const Member& member) { return member.point.at[0]; });
    std::ranges::copy(points, std::back_inserter(by_kind[kind_of(id)]));
  }
  for (const auto& [kind, points] : by_kind) {
    const KernelFamily any{
        kind.limits == Limits::bytes ? KernelOp::copy : KernelOp::gemm, kind.type, 0};
    kinds_[kind] = fit(points, any);
  }
  for (auto& [id, family] : families_) {
    // One or two points always lie on their own roofline: what they tell is the kind's.
    constexpr std::size_t few = 4;
    if (family.members.size() < few) {
      family.fitted.error = std::max(family.fitted.error, kinds_.at(kind_of(id)).error);
    }
    estimate_errors(family);
  }
}

std::optional<KernelCurves::Transfer> KernelCurves::own_curve(const Family& family,
                                                              const KernelPoint& point) {
  const auto first = [](const Member& member) { return member.point.at[0]; };
  const auto above = std::ranges::lower_bound(family.members, point.at[0], {}, first);
  const Member* upper = nullptr;
  for (auto at = above; at != family.members.end() && first(*at) <= point.at[0] + bracket; ++at) {
    if (same_but_rows(at->point, point)) {
      upper = &*at;
      break;
    }
  }
  const Member* lower = nullptr;
  for (auto at = above; at != family.members.begin();) {
    --at;
    if (first(*at) < point.at[0] - bracket) {
      break;
    }
    if (same_but_rows(at->point, point)) {
      lower = &*at;
      break;
    }
  }
  if (upper == nullptr || lower == nullptr) {
    return std::nullopt;
  }
  const double span = first(*upper) - first(*lower);
  const double share = span > 0.0 ? (point.at[0] - first(*lower)) / span : 0.0;
  return Transfer{
      lower->log_utilisation + share * (upper->log_utilisation - lower->log_utilisation),
      std::min(point.at[0] - first(*lower), first(*upper) - point.at[0])};
}

std::optional<KernelCurves::Transfer> KernelCurves::transfer(const Family& family,
                                                             const KernelPoint& point,
                                                             double beyond) {
  std::vector<Neighbour> nearest;  // a heap, the farthest in front
  double limit = reach;
  const auto visit = [&](const Member& member) {
    const double away = distance(member.point, point);
    if (away <= beyond || away > limit) {
      return;
    }
    nearest.push_back({away, member.log_utilisation});
    std::ranges::push_heap(nearest, {}, &Neighbour::distance);
    if (nearest.size() > most_neighbours) {
      std::ranges::pop_heap(nearest, {}, &Neighbour::distance);
      nearest.pop_back();
      limit = nearest.front().distance;
    }
  };
  // Members are sorted by their first coordinate: once that alone is too far, the rest is too.
  const auto first = [](const Member& member) { return member.point.at[0]; };
  const auto begin = family.members.begin();
  auto up = std::ranges::lower_bound(family.members, point.at[0], {}, first);
  auto down = up;
  bool goes_on = true;
  while (goes_on) {
    goes_on = false;
    if (up != family.members.end() && first(*up) - point.at[0] <= limit) {
      visit(*up++);
      goes_on = true;
    }
    if (down != begin && point.at[0] - first(*std::prev(down)) <= limit) {
      visit(*--down);
      goes_on = true;
    }
  }
  if (nearest.empty()) {
    return std::nullopt;
  }
  Transfer result{0.0, reach};
  double weights = 0.0;
  for (const Neighbour& neighbour : nearest) {
    const double weight = 1.0 / (neighbour.distance * neighbour.distance + softening);
    weights += weight;
    result.log_utilisation += weight * neighbour.log_utilisation;
    result.nearest = std::min(result.nearest, neighbour.distance);
  }
  result.log_utilisation /= weights;
  return result;
}

void KernelCurves::estimate_errors(Family& family) {
  constexpr std::size_t most_samples = 96;
  const std::size_t stride = (family.members.size() + most_samples - 1) / most_samples;
  double error = 0.0;
  for (const double beyond : distances) {
    double sum = 0.0;
    double count = 0.0;
    for (std::size_t i = 0; i < family.members.size(); i += stride) {
      const Member& member = family.members[i];
      if (const auto found = transfer(family, member.point, beyond)) {
        sum += std::abs(std::exp(member.log_utilisation - found->log_utilisation) - 1.0);
        count += 1.0;
      }
    }
    // Nobody so lonely: what lies farther cannot be known better. A lone member: its roofline.
    const double found = count > 0.0 ? sum / count : family.fitted.error;
    error = std::max(error, found);
    family.errors.push_back(error);
  }
}

double KernelCurves::error_at(const Family& family, double distance) {
  const auto* const above = std::ranges::lower_bound(distances, distance);
  if (above == distances.end()) {
    return family.errors.back();
  }
  const auto i = static_cast<std::size_t>(above - distances.begin());
  if (i == 0) {
    return family.errors.front();
  }
  const double share = (distance - distances[i - 1]) / (distances[i] - distances[i - 1]);
  return family.errors[i - 1] + share * (family.errors[i] - family.errors[i - 1]);
}

std::optional<Price> KernelCurves::price(const KernelKey& key) const {
  const KernelFamily id = family_of(key);
  if (const auto found = families_.find(id); found != families_.end()) {
    const Family& family = found->second;
    const KernelPoint point = point_of(key);
    auto near = own_curve(family, point);
    if (!near) {
      near = transfer(family, point, -1.0);
    }
    if (near) {
      return Price{time_of(key, family.fitted.roofline, near->log_utilisation),
                   Tier::interpolated,
                   error_at(family, near->nearest)};
    }
    // The roofline's error among its own points says little about a key far from all of them.
    return Price{time_of(key, family.fitted.roofline, 0.0),
                 Tier::fitted,
                 std::max(family.fitted.error, family.errors.back())};
  }
  const auto kind = kinds_.find(kind_of(id));
  if (kind == kinds_.end()) {
    return std::nullopt;
  }
  return Price{time_of(key, kind->second.roofline, 0.0), Tier::fitted, kind->second.error};
}

}  // namespace forerun
