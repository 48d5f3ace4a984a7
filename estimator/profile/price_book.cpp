#include "estimator/profile/price_book.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "comm/collective_cost.hpp"
#include "estimator/profile/kernel_curves.hpp"
#include "estimator/profile/roofline.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double relative_half_width(const Timing& timing) {
  return (timing.high - timing.low) / (2.0 * timing.median);
}

// Everything that pricing from a profile needs; shared by the two functions of the price list.
class Measurements {
 public:
  Measurements(Profile profile, Strictness strictness)
      : profile_(std::move(profile)), strictness_(strictness), curves_(profile_.kernels) {
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
    if (const auto time = between_sizes(key)) {
      return {*time, Tier::interpolated, size_error(key)};
    }
    if (strictness_ == Strictness::interpolated_or_better) {
      refuse(text_of(key), "--strict allows only measured and interpolated prices");
    }
    if (profile_.levels.empty()) {
      refuse(text_of(key), "no collective was measured");
    }
    const double error = *std::ranges::max_element(profile_.level_errors);
    const Seconds time =
        std::max(collective_time(key, profile_.levels), slowest_smaller_group(key));
    return {time, Tier::fitted, error};
  }

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& why) const {
    throw InputError(profile_.path,
                     "has no price for '" + key + "': " + why +
                         " (run 'forerun measure' with this model, layout and "
                         "precision, and --resume to add to the profile)");
  }

  // The same message over fewer ranks, where that was measured: a larger group is never faster,
  // whatever a noisy fit says. Zero where nothing of the kind was measured.
  [[nodiscard]] Seconds slowest_smaller_group(const CollectiveKey& key) const {
    Seconds slowest;
    for (const auto& [known, timing] : collectives_) {
      const GroupShape& group = known.group;
      const bool is_smaller =
          group.ranks > 1 && group.ranks <= key.group.ranks &&
          group.ranks_per_node >= std::min(group.ranks, key.group.ranks_per_node) &&
          group.concurrent <= key.group.concurrent;
      if (!is_smaller || known.op != key.op || known.type != key.type) {
        continue;
      }
      CollectiveKey same_message = known;
      same_message.bytes = key.bytes;
      slowest = std::max(slowest, between_sizes(same_message).value_or(Seconds()));
    }
    return slowest;
  }

  // Measured sizes of the same collective over the same group, as log(bytes) -> log(seconds).
  [[nodiscard]] std::map<double, double> curve_of(const CollectiveKey& key) const {
    std::map<double, double> curve;
    for (const auto& [known, timing] : collectives_) {
      if (known.op == key.op && known.type == key.type && known.group == key.group) {
        curve[std::log(static_cast<double>(known.bytes))] =
            std::log(timing.median.in(unit::second));
      }
    }
    return curve;
  }

  static std::optional<Seconds> at(const std::map<double, double>& curve, double log_bytes) {
    const auto above = curve.lower_bound(log_bytes);
    if (above == curve.end() || (above == curve.begin() && above->first > log_bytes)) {
      return std::nullopt;
    }
    if (above->first == log_bytes) {
      return std::exp(above->second) * unit::second;
    }
    const auto below = std::prev(above);
    const double share = (log_bytes - below->first) / (above->first - below->first);
    return std::exp(below->second + share * (above->second - below->second)) * unit::second;
  }

  [[nodiscard]] std::optional<Seconds> between_sizes(const CollectiveKey& key) const {
    return at(curve_of(key), std::log(static_cast<double>(key.bytes)));
  }

  [[nodiscard]] double size_error(const CollectiveKey& key) const {
    const auto curve = curve_of(key);
    std::vector<double> errors;
    for (const auto& [log_bytes, log_time] : curve) {
      auto others = curve;
      others.erase(log_bytes);
      if (const auto time = at(others, log_bytes)) {
        errors.push_back(std::abs(time->in(unit::second) / std::exp(log_time) - 1.0));
      }
    }
    // Two sizes cannot leave one out: how well the link's model fits is all that is known.
    return errors.empty() ? *std::ranges::max_element(profile_.level_errors) : median_of(errors);
  }

  Profile profile_;
  Strictness strictness_;
  KernelCurves curves_;
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
      fraction * peak->second.in(unit::flop / unit::second),
      (efficiency.memory_fraction * device.memory_bandwidth).in(unit::byte / unit::second)};
  return {
      roofline.seconds(hardware_flops(key).in(unit::flop), minimum_traffic(key).in(unit::byte)) *
          unit::second,
      Tier::datasheet,
      datasheet_error};
}

}  // namespace

PriceList prices_from(const Profile& profile, Strictness strictness) {
  const auto measurements = std::make_shared<Measurements>(profile, strictness);
  return {[measurements](const KernelKey& key) { return measurements->price(key); },
          [measurements](const CollectiveKey& key) { return measurements->price(key); }};
}

PriceList prices_from(const Cluster& cluster, Strictness strictness) {
  if (strictness == Strictness::interpolated_or_better) {
    throw InputError("--strict",
                     cluster.name +
                         " is a datasheet: nothing was measured on it (expected a "
                         "profile from 'forerun measure')");
  }
  return {[cluster](const KernelKey& key) { return datasheet_price(cluster, key); },
          [cluster](const CollectiveKey& key) {
            return Price{collective_time(key, cluster.levels), Tier::datasheet, datasheet_error};
          }};
}

}  // namespace forerun
