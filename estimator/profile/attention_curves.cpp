#include "estimator/profile/attention_curves.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {

AttentionCurves::AttentionCurves(std::span<const AttentionRate> rates, FlopsPerSecond peak) {
  const double peak_rate = peak.in(unit::flop / unit::second);
  constexpr double least_length = 1e-3;  // keeps the logarithm finite
  for (const AttentionRate& rate : rates) {
    const double slowness = rate.head_size / (rate.flop_fraction * peak_rate);
    anchors_[{rate.is_forward, rate.is_causal}].push_back(
        {std::log(rate.head_size),
         std::log(slowness),
         std::log(slowness * std::max(rate.half_length, least_length)),
         rate.half_rows,
         rate.launch.in(unit::second),
         rate.error});
  }
  for (auto& [kind, anchors] : anchors_) {
    std::ranges::sort(anchors, {}, &Anchor::log_head_size);
    for (std::size_t i = 1; i < anchors.size(); ++i) {
      anchors[i].log_slowness = std::max(anchors[i].log_slowness, anchors[i - 1].log_slowness);
      anchors[i].log_shortness = std::max(anchors[i].log_shortness, anchors[i - 1].log_shortness);
      anchors[i].half_rows = std::max(anchors[i].half_rows, anchors[i - 1].half_rows);
      anchors[i].launch_s = std::max(anchors[i].launch_s, anchors[i - 1].launch_s);
    }
  }
}

const std::vector<AttentionCurves::Anchor>* AttentionCurves::anchors_of(bool is_forward,
                                                                        bool is_causal) const {
  for (const bool mask : {is_causal, !is_causal}) {
    if (const auto found = anchors_.find({is_forward, mask}); found != anchors_.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

AttentionCurves::Anchor AttentionCurves::at(const std::vector<Anchor>& anchors, double head_size) {
  const double place = std::log(head_size);
  const auto above = std::ranges::lower_bound(anchors, place, {}, &Anchor::log_head_size);
  if (above == anchors.begin() || above == anchors.end()) {
    Anchor nearest = above == anchors.end() ? anchors.back() : anchors.front();
    nearest.log_slowness += place - nearest.log_head_size;
    nearest.log_shortness += place - nearest.log_head_size;
    return nearest;
  }
  const Anchor& high = *above;
  const Anchor& low = *std::prev(above);
  const double share = (place - low.log_head_size) / (high.log_head_size - low.log_head_size);
  const auto mix = [share](double a, double b) { return a + share * (b - a); };
  return {place,
          mix(low.log_slowness, high.log_slowness),
          mix(low.log_shortness, high.log_shortness),
          mix(low.half_rows, high.half_rows),
          mix(low.launch_s, high.launch_s),
          std::max(low.error, high.error)};
}

std::optional<Price> AttentionCurves::by_rates(const KernelKey& key) const {
  const auto& shape = std::get<AttentionKeyShape>(key.shape);
  const auto* const anchors =
      anchors_of(key.op == KernelOp::attention_forward, shape.mask == Mask::causal);
  if (anchors == nullptr) {
    return std::nullopt;
  }
  // The mean of both head sizes is what a pair of query and key costs.
  const double head_size = 0.5 * static_cast<double>(shape.head_size + value_size(shape));
  const Anchor anchor = at(*anchors, head_size);
  const std::int64_t all_keys = key_length(shape);
  const std::int64_t seen = shape.window > 0 ? std::min(shape.window, all_keys) : all_keys;
  const double rows = static_cast<double>(shape.batch) * static_cast<double>(shape.heads) *
                      static_cast<double>(shape.length);
  const double per_flop =
      std::exp(anchor.log_slowness) + std::exp(anchor.log_shortness) / static_cast<double>(seen);
  const double flop = hardware_flops(key).in(unit::flop);
  const double seconds =
      anchor.launch_s + flop / head_size * per_flop * (1.0 + anchor.half_rows / rows);
  return Price{seconds * unit::second, Tier::fitted, anchor.error};
}

// Fewer keys, no more time: half lengths of few published lengths can say otherwise.
std::optional<Price> AttentionCurves::price(const KernelKey& key) const {
  const auto* const shape = std::get_if<AttentionKeyShape>(&key.shape);
  if (shape == nullptr) {
    return std::nullopt;
  }
  std::optional<Price> price = by_rates(key);
  if (!price) {
    return std::nullopt;
  }
  if (shape->mask != Mask::causal) {
    KernelKey causal = key;
    std::get<AttentionKeyShape>(causal.shape).mask = Mask::causal;
    price->time = std::max(price->time, by_rates(causal)->time);
  }
  if (shape->window > 0) {
    KernelKey whole = key;
    std::get<AttentionKeyShape>(whole.shape).window = 0;
    price->time = std::min(price->time, by_rates(whole)->time);
  }
  return price;
}

}  // namespace forerun
