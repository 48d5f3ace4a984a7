// What `measure` learnt about a cluster: costs of keys, the device, the links between ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/collective_key.hpp"
#include "estimator/step/overlap.hpp"
#include "estimator/step/rank_noise.hpp"
#include "kernels/device.hpp"
#include "kernels/kernel_key.hpp"
#include "topologies/cluster.hpp"
#include "topologies/discover_node.hpp"
#include "topologies/measured_topology.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Statistics of the samples of one key. Kernels: of the slowest rank; collectives: every sample is
/// the maximum over ranks.
struct Timing {
  Seconds median;
  Seconds low;  ///< 95 % confidence interval of the median, from order statistics
  Seconds high;
  Seconds least;
  Seconds p95;
  std::int64_t samples = 0;
  double rank_spread = 0.0;   ///< (slowest - fastest) / slowest median over ranks
  Seconds mad = {};           ///< median absolute deviation from the median
  bool is_unsettled = false;  ///< the interval is wider than was asked for
  bool is_drifting = false;   ///< the last third of the samples differs from the first by over 2 %
  bool is_spread = false;     ///< two modes, or a 95th percentile over 1.2 times the median
  std::vector<Seconds> rank_medians = {};  ///< of a kernel, by rank
};

struct KernelRecord {
  KernelKey key;
  Timing timing;                        ///< with cold caches: what is priced
  std::optional<Seconds> hot = {};      ///< median run back to back
  std::string algorithm = {};           ///< what the library chose, where it says
  std::optional<double> clock_hz = {};  ///< after the last sample, the slowest rank's, where read
};

/// Optional parts are absent from profiles of earlier versions and from imported logs.
struct CollectiveRecord {
  CollectiveKey key;
  Timing timing;  ///< of one operation by itself, the maximum over ranks: what is priced
  /// Mean of operations one after another, the maximum over ranks: what nccl-tests calls time.
  std::optional<Seconds> back_to_back = {};
  std::optional<Seconds> in_place = {};             ///< the same within one buffer
  std::int64_t communicators = 1;                   ///< in which samples were taken
  std::optional<double> communicator_spread = {};   ///< (slowest - fastest) / middle median
  std::optional<std::int64_t> wrong = {};           ///< elements, of all ranks
  std::optional<std::int64_t> in_place_wrong = {};  ///< the same within one buffer
  std::optional<Seconds> own_estimate = {};         ///< what the library says it expects
};

/// A job whose keys were measured: what the profile can price without interpolation.
struct MeasuredJob {
  std::string model;
  std::string layout;
  std::string precision;
  std::int64_t micro_batch = 0;
  std::int64_t sequence = 0;
  friend auto operator<=>(const MeasuredJob&, const MeasuredJob&) = default;
};

/// Forward and backward of one transformer layer, its kernels one after the other on the data that
/// they hand on, beside the sum of what they take alone (modelling.md 10.6).
struct LayerFactor {
  std::string model;
  std::string layout;
  std::string precision;
  Seconds chained;  ///< median of the slowest rank
  Seconds alone;    ///< sum of the kernels' medians

  [[nodiscard]] double factor() const { return chained / alone; }
};

struct Profile {
  std::string path;  ///< where it was read from; for messages
  std::string date;  ///< ISO 8601, UTC
  DeviceReport device;
  NodeDescription node;
  std::vector<std::string> hosts;  ///< of each rank
  std::int64_t ranks = 0;
  std::int64_t ranks_per_node = 0;
  std::vector<MeasuredJob> jobs;
  std::vector<KernelRecord> kernels;
  std::vector<CollectiveRecord> collectives;
  std::vector<OverlapPoint> overlap;  ///< computation and communication at once
  std::vector<std::string> warnings;  ///< about the run that measured: ranks that shared cores
  std::vector<LinkLevel> levels;      ///< by fit_levels; innermost first
  std::vector<double> level_errors;   ///< mean relative error of each level
  std::vector<std::string> skipped;   ///< keys that the time budget left out
  double elapsed_s = 0.0;
  /// Time of a product after seconds of load, relative to its time in a burst; at least 1.
  std::optional<double> sustained_factor;
  std::optional<LayerFactor> layer_factor;   ///< of the machine, from the first job's last layer
  std::vector<NoisePoint> noise;             ///< of ranks that repeat that layer
  std::optional<double> clock_hz;            ///< of the device under load, where it can be read
  std::optional<MeasuredTopology> topology;  ///< distances between ranks and the levels in them
};

/// Level 0 joins the ranks of a node; with more than one node, level 1 joins the nodes. From the
/// distances between ranks where they were measured (`link_levels`); the error is then that of the
/// cost models over these links against the collectives that were measured inside nodes or between
/// them. Else latency and bandwidth by least squares of the relative error of alpha * steps + wire
/// bytes / beta over the collectives that were measured on that level; a level without points, or
/// whose fit is off by a factor of two in the geometric mean, is left out.
void fit_levels(Profile& profile);

/// The profile as a cluster: measured device, fitted levels. Its peak is the fastest GEMM that was
/// measured, by type (modelling.md 10.2).
[[nodiscard]] Cluster cluster_of(const Profile& profile);

}  // namespace forerun
