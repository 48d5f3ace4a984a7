#include "estimator/profile/profile.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "comm/collective_cost.hpp"
#include "kernels/kernel_cost.hpp"
#include "topologies/link_levels.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct AlphaBetaFit {
  double latency_s = 0.0;
  double seconds_per_byte = 0.0;
  double error = 0.0;   ///< mean, relative
  double factor = 1.0;  ///< geometric mean, to either side
};

// Minimises sum ((alpha steps + wire beta - t) / t)^2 by its normal equations; alpha and beta stay
// at or above zero.
AlphaBetaFit fit_alpha_beta(const std::vector<const CollectiveRecord*>& records) {
  double ss = 0.0;
  double sw = 0.0;
  double ww = 0.0;
  double s = 0.0;
  double w = 0.0;
  for (const CollectiveRecord* record : records) {
    const double t = record->timing.median.in(unit::second);
    const double steps = ring_steps(record->key) / t;
    const double wire = wire_bytes(record->key) / t;
    ss += steps * steps;
    sw += steps * wire;
    ww += wire * wire;
    s += steps;
    w += wire;
  }
  AlphaBetaFit fit;
  const double determinant = ss * ww - sw * sw;
  if (determinant > 1e-12 * ss * ww) {
    fit.latency_s = (s * ww - w * sw) / determinant;
    fit.seconds_per_byte = (w * ss - s * sw) / determinant;
  }
  if (fit.latency_s <= 0.0 || fit.seconds_per_byte <= 0.0) {
    fit.latency_s = 0.0;
    fit.seconds_per_byte = ww > 0.0 ? w / ww : 0.0;
  }
  double distance = 0.0;
  for (const CollectiveRecord* record : records) {
    const double t = record->timing.median.in(unit::second);
    const double modelled =
        fit.latency_s * ring_steps(record->key) + fit.seconds_per_byte * wire_bytes(record->key);
    fit.error += std::abs(modelled - t) / t / static_cast<double>(records.size());
    distance += std::abs(std::log(modelled / t)) / static_cast<double>(records.size());
  }
  fit.factor = std::exp(distance);
  return fit;
}

// A link that is off by more tells nothing that an order of magnitude does not.
constexpr double worst_factor = 2.0;

bool is_inside_node(const CollectiveRecord& record) {
  return record.key.group.ranks_per_node >= record.key.group.ranks;
}

// Of the cost models over `levels`, for collectives inside nodes or for those between them.
std::optional<double> modelled_error(const Profile& profile,
                                     const std::vector<LinkLevel>& levels,
                                     bool is_inside) {
  double sum = 0.0;
  double count = 0.0;
  for (const CollectiveRecord& record : profile.collectives) {
    if (is_inside_node(record) == is_inside && record.key.group.ranks > 1) {
      sum += std::abs(collective_time(record.key, levels) / record.timing.median - 1.0);
      count += 1.0;
    }
  }
  return count > 0.0 ? std::optional<double>(sum / count) : std::nullopt;
}

// What was measured between pairs of ranks tells links apart that collectives mix.
void take_levels(const MeasuredTopology& topology, Profile& profile) {
  profile.levels = link_levels(topology, profile.ranks_per_node);
  for (const LinkLevel& level : profile.levels) {
    const auto found = std::ranges::find(topology.levels, level.name, &MeasuredLevel::name);
    const bool is_inside = level.devices <= profile.ranks_per_node;
    profile.level_errors.push_back(
        modelled_error(profile, profile.levels, is_inside).value_or(found->bandwidth_spread));
  }
}

}  // namespace

void fit_levels(Profile& profile) {
  profile.levels.clear();
  profile.level_errors.clear();
  if (profile.topology && !profile.topology->levels.empty()) {
    take_levels(*profile.topology, profile);
    return;
  }
  std::vector<const CollectiveRecord*> inside;
  std::vector<const CollectiveRecord*> between;
  for (const CollectiveRecord& record : profile.collectives) {
    (is_inside_node(record) ? inside : between).push_back(&record);
  }
  const auto add = [&](const char* name, std::int64_t devices, const auto& records) {
    if (records.empty()) {
      return;
    }
    const AlphaBetaFit fit = fit_alpha_beta(records);
    if (!(fit.factor <= worst_factor)) {
      return;
    }
    LinkLevel level;
    level.name = name;
    level.devices = devices;
    level.latency = fit.latency_s * unit::second;
    level.bandwidth = 1.0 / fit.seconds_per_byte * unit::byte / unit::second;
    level.source = "measured";
    profile.levels.push_back(level);
    profile.level_errors.push_back(fit.error);
  };
  add("node", profile.ranks_per_node, inside);
  add("network", profile.ranks, between);
}

Cluster cluster_of(const Profile& profile) {
  Cluster cluster;
  cluster.name = profile.path;
  cluster.source = "measured " + profile.date;
  cluster.device.name = profile.device.name;
  cluster.device.memory = profile.device.memory;
  cluster.device.source = "measured";
  if (profile.device.kind == "host") {
    cluster.device.cores = profile.device.cores;
  }
  for (const KernelRecord& record : profile.kernels) {
    if (record.key.op == KernelOp::gemm) {
      FlopsPerSecond& peak = cluster.device.peak[record.key.type];
      peak = std::max(peak, hardware_flops(record.key) / record.timing.median);
    }
  }
  cluster.devices_per_node = profile.ranks_per_node;
  cluster.max_devices = profile.ranks;
  cluster.levels = profile.levels;
  return cluster;
}

}  // namespace forerun
