#include "estimator/profile/price_book.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>

#include "comm/collective_cost.hpp"
#include "comm/cost/hierarchical.hpp"
#include "comm/cost/nccl_tuning.hpp"
#include "comm/node_collectives.hpp"
#include "estimator/profile/catalog_prices.hpp"
#include "estimator/profile/collective_prices.hpp"
#include "estimator/profile/kernel_curves.hpp"
#include "estimator/profile/roofline.hpp"
#include "kernels/kernel_cost.hpp"
#include "topologies/device_profile.hpp"
#include "topologies/node_profile.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

double relative_half_width(const Timing& timing) {
  return (timing.high - timing.low) / (2.0 * timing.median);
}

// Everything that pricing from a profile needs; shared by the two functions of the price list.
class Measurements {
 public:
  Measurements(Profile profile, Strictness strictness)
      : profile_(std::move(profile)),
        strictness_(strictness),
        curves_(profile_.kernels),
        between_(profile_.collectives) {
    for (const KernelRecord& record : profile_.kernels) {
      kernels_.insert_or_assign(record.key, record.timing);
    }
    for (const CollectiveRecord& record : profile_.collectives) {
      collectives_.insert_or_assign(record.key, record.timing);
    }
  }

  [[nodiscard]] Price price(const KernelKey& key) {
    if (const auto found = kernels_.find(key); found != kernels_.end()) {
      return {found->second.median, Tier::measured, relative_half_width(found->second)};
    }
    const auto price = curves_.price(key);
    if (price && (price->tier == Tier::interpolated || strictness_ == Strictness::any_tier)) {
      return *price;
    }
    refuse(text_of(key),
           price ? "--strict allows only measured and interpolated prices"
                 : "nothing of its kind was measured");
  }

  [[nodiscard]] Price price(const CollectiveKey& key) {
    if (key.group.ranks <= 1) {
      return {Seconds(), Tier::measured, 0.0};
    }
    if (const auto found = collectives_.find(key); found != collectives_.end()) {
      return {found->second.median, Tier::measured, relative_half_width(found->second)};
    }
    const auto price = between_.price(key);
    if (price && (price->tier == Tier::interpolated || strictness_ == Strictness::any_tier)) {
      return *price;
    }
    if (strictness_ == Strictness::interpolated_or_better) {
      refuse(text_of(key), "--strict allows only measured and interpolated prices");
    }
    if (profile_.levels.empty()) {
      refuse(text_of(key), "nothing of its kind was measured, and no link fits what was");
    }
    // Nothing of its kind was measured over links of its kind: the fitted levels are left.
    const double error = *std::ranges::max_element(profile_.level_errors);
    const Seconds time = std::min(collective_time(key, profile_.levels), through_nodes(key));
    return {std::max(time, between_.least_time(key)), Tier::fitted, error};
  }

 private:
  // Inside the nodes as measured there, between them by the levels; infinite where nothing was
  // measured inside, and where a collective has no such form.
  [[nodiscard]] Seconds through_nodes(const CollectiveKey& key) const {
    const std::int64_t members = key.group.ranks_per_node;
    const bool has_form = reduces(key.op) || key.op == Collective::all_gather;
    if (!has_form || members < 2 || members >= key.group.ranks) {
      return Seconds::infinite();
    }
    CollectiveKey node = key;
    node.group = {members, members, key.group.concurrent};
    const auto inside = between_.price(node);
    return inside
               ? hierarchical_time({inside->time, hierarchical_parts(key, profile_.levels).between})
               : Seconds::infinite();
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& why) const {
    throw InputError(profile_.path,
                     "has no price for '" + key + "': " + why +
                         " (run 'forerun measure' with this model, layout and "
                         "precision, and --resume to add to the profile)");
  }

  Profile profile_;
  Strictness strictness_;
  KernelCurves curves_;
  CollectivePrices between_;
  std::map<KernelKey, Timing> kernels_;
  std::map<CollectiveKey, Timing> collectives_;
};

// Where a device has a peak but no class efficiency of its own: GEMM 0.70, the median of m >= 1024
// on A100 and H100 (Vidur, modelling.md 10.5); attention 0.50 and 0.40, FlashAttention-2's middle;
// memory 0.80 and 3 us a kernel, aiconfigurator's defaults (modelling.md 8.2).
ClassEfficiency common_efficiency() {
  return {0.70, 0.50, 0.40, 0.80, 3.0 * unit::microsecond, "modelling.md 10.5 and 8.2"};
}

// Mean error of a roofline with class efficiencies per GEMM on GPUs that it was not fitted to,
// modelling.md 10.5 (A100 8.0 %, H100 11.1 %).
constexpr double datasheet_error = 0.11;

// Of a GPU's peak, Mamba-2's scan as training software runs it, in five Triton kernels: 12.1
// to 12.9 million tokens/s forward on an H100, 4,096 to 16,384 tokens, 128 heads of 64, one group,
// state 128, chunks of 256 (vllm-project/vllm, pull request 27299, 2025-10-25): 79 of 989 TFLOP/s.
// The backward pass is taken to reach as much (modelling.md 1.2: 2.5 to 3 times the forward time).
constexpr double ssd_fraction = 0.08;

// Gated DeltaNet's scan in flash-linear-attention 0.4.2, forward: 0.424 ms on a B200 for 8,192
// tokens of one sequence, 16 value and 4 key heads of 128 (flashinfer-ai/flashinfer, pull request
// 3001, 2026): 43 TFLOP/s. So few blocks wait for their own chain of chunks, whatever the peak.
constexpr FlopsPerSecond delta_rule_rate = 43.0 * unit::teraflop / unit::second;

bool is_ssd(KernelOp op) {
  return op == KernelOp::ssd_forward || op == KernelOp::ssd_backward;
}

bool is_delta_rule(KernelOp op) {
  return op == KernelOp::delta_rule_forward || op == KernelOp::delta_rule_backward;
}

// Of matrix work of no class of its own.
FlopsPerSecond scan_rate(const DeviceSpec& device,
                         KernelOp op,
                         FlopsPerSecond usual,
                         FlopsPerSecond peak) {
  if (!device.is_gpu()) {
    return usual;
  }
  if (is_ssd(op)) {
    return ssd_fraction * peak;
  }
  return is_delta_rule(op) ? std::min(usual, delta_rule_rate) : usual;
}

Price datasheet_price(const Cluster& cluster, const KernelKey& key) {
  const DeviceSpec& device = cluster.device;
  const ClassEfficiency efficiency = device.efficiency.value_or(common_efficiency());
  const Seconds memory =
      minimum_traffic(key) / (efficiency.memory_fraction * device.memory_bandwidth);
  if (!is_matrix_work(key.op)) {
    return {efficiency.launch + memory, Tier::datasheet, datasheet_error};
  }
  const auto peak = device.peak.find(key.type);
  if (peak == device.peak.end()) {
    throw InputError(cluster.name,
                     "has no peak for " + std::string(name_of(key.type)) + ", so '" + text_of(key) +
                         "' cannot be priced (add it to [device] peak, or run "
                         "'forerun measure' there)");
  }
  double fraction = efficiency.gemm_fraction;
  if (key.op == KernelOp::attention_forward) {
    fraction = efficiency.attention_forward_fraction;
  } else if (key.op == KernelOp::attention_backward) {
    fraction = efficiency.attention_backward_fraction;
  }
  const Roofline roofline{
      efficiency.launch.in(unit::second),
      scan_rate(device, key.op, fraction * peak->second, peak->second)
          .in(unit::flop / unit::second),
      (efficiency.memory_fraction * device.memory_bandwidth).in(unit::byte / unit::second)};
  return {
      roofline.seconds(hardware_flops(key).in(unit::flop), minimum_traffic(key).in(unit::byte)) *
          unit::second,
      Tier::datasheet,
      datasheet_error};
}

// A cluster's prices: those of the catalog's profiles of its device and its nodes, where it names
// some and they know the key, else the datasheet's.
class ClusterPrices {
 public:
  explicit ClusterPrices(const Cluster& cluster)
      : cluster_(cluster), machine_(nccl_machine_of(cluster.device.name)) {
    if (cluster.device.profile) {
      kernels_.emplace(cluster.device, read_device_profile(*cluster.device.profile));
    }
    if (cluster.node_profile) {
      collectives_.emplace(read_node_profile(*cluster.node_profile));
    }
  }

  [[nodiscard]] Price price(const KernelKey& key) const {
    const auto price = kernels_ ? kernels_->price(key) : std::nullopt;
    return price ? *price : datasheet_price(cluster_, key);
  }

  [[nodiscard]] Price attention(const KernelKey& key, AttentionMethod method) const {
    const auto price = kernels_ ? kernels_->attention(key, method) : std::nullopt;
    return price ? *price : datasheet_price(cluster_, key);
  }

  [[nodiscard]] Price price(const CollectiveKey& key) const {
    if (const auto found = collectives_ ? collectives_->time(key) : std::nullopt) {
      return {found->time, Tier::fitted, found->relative_error};
    }
    // GPUs that NCCL knows are priced as it prices itself, others as MPI would go about it.
    const Seconds time = machine_ ? nccl_choice(key, cluster_.levels, *machine_).time
                                  : mpi_collective_time(key, cluster_.levels);
    return {time, Tier::datasheet, datasheet_error};
  }

  [[nodiscard]] Seconds launched(const CollectiveKey& key) const {
    return collectives_ ? collectives_->launched_time(key).value_or(Seconds()) : Seconds();
  }

 private:
  Cluster cluster_;
  decltype(nccl_machine_of("")) machine_;  // nothing where NCCL does not run
  std::optional<CatalogPrices> kernels_;
  std::optional<NodeCollectives> collectives_;
};

// Of one rank on average. What the slowest of several adds is in the waits then, not in the
// kernels.
Profile of_one_rank(Profile profile) {
  const double tail = 1.0 + RankNoise(profile.noise).excess(Seconds(), 1);
  for (KernelRecord& record : profile.kernels) {
    Timing& timing = record.timing;
    const auto& medians = timing.rank_medians;
    double scale = tail;
    if (!medians.empty()) {
      const Seconds sum = std::accumulate(medians.begin(), medians.end(), Seconds());
      scale *= sum / static_cast<double>(medians.size()) / timing.median;
    }
    timing.median *= scale;
    timing.low *= scale;
    timing.high *= scale;
  }
  return profile;
}

}  // namespace

PriceList prices_from(const Profile& profile, Strictness strictness) {
  const auto measurements = std::make_shared<Measurements>(
      profile.noise.empty() ? profile : of_one_rank(profile), strictness);
  PriceList prices;
  prices.kernel = [measurements](const KernelKey& key) { return measurements->price(key); };
  if (!profile.noise.empty()) {
    prices.wait = [noise = RankNoise(profile.noise)](Seconds work, std::int64_t ranks) {
      return noise.wait(work, ranks);
    };
  }
  prices.collective = [measurements](const CollectiveKey& key) { return measurements->price(key); };
  if (!profile.overlap.empty()) {
    prices.overlap = [grid = OverlapGrid(profile.overlap)](
                         OverlapCompute compute, Collective op, std::int64_t bytes) {
      return grid.speed(compute, op, bytes);
    };
  }
  return prices;
}

PriceList prices_from(const Cluster& cluster, Strictness strictness) {
  if (strictness == Strictness::interpolated_or_better) {
    throw InputError("--strict",
                     cluster.name +
                         " is a datasheet: nothing was measured on it (expected a "
                         "profile from 'forerun measure')");
  }
  const auto prices = std::make_shared<const ClusterPrices>(cluster);
  return {[prices](const KernelKey& key) { return prices->price(key); },
          [prices](const CollectiveKey& key) { return prices->price(key); },
          [prices](const KernelKey& key, AttentionMethod method) {
            return prices->attention(key, method);
          },
          {},
          [prices](const CollectiveKey& key) { return prices->launched(key); }};
}

}  // namespace forerun
