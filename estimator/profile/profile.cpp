#include "estimator/profile/profile.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct AlphaBetaFit {
  double latency_s = 0.0;
  double seconds_per_byte = 0.0;
  double error = 0.0;
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
  for (const CollectiveRecord* record : records) {
    const double t = record->timing.median.in(unit::second);
    const double modelled =
        fit.latency_s * ring_steps(record->key) + fit.seconds_per_byte * wire_bytes(record->key);
    fit.error += std::abs(modelled - t) / t / static_cast<double>(records.size());
  }
  return fit;
}

}  // namespace

void fit_levels(Profile& profile) {
  profile.levels.clear();
  profile.level_errors.clear();
  std::vector<const CollectiveRecord*> inside;
  std::vector<const CollectiveRecord*> between;
  for (const CollectiveRecord& record : profile.collectives) {
    const GroupShape& group = record.key.group;
    (group.ranks_per_node >= group.ranks ? inside : between).push_back(&record);
  }
  const auto add = [&](const char* name, std::int64_t devices, const auto& records) {
    if (records.empty()) {
      return;
    }
    const AlphaBetaFit fit = fit_alpha_beta(records);
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
