#include "estimator/step/offload.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "estimator/step/work_list.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Elements of the two kinds over the ranks that share each.
double shared(double elements, std::int64_t ranks, double experts, std::int64_t expert_ranks) {
  return elements / static_cast<double>(ranks) + experts / static_cast<double>(expert_ranks);
}

// Elements of a rank's own part of state that `member` says how many share.
double share_of(const Job& job,
                std::int64_t elements,
                std::int64_t experts,
                std::int64_t StateShards::*member) {
  return shared(static_cast<double>(elements),
                state_shards(job).*member,
                static_cast<double>(experts),
                expert_state_shards(job).*member);
}

Bytes weight_bytes(const Recipe& recipe) {
  return size_of(data_type_of(recipe.precision));
}

}  // namespace

bool updates_on_host(const Recipe& recipe) {
  return recipe.offload.optimizer && recipe.software.offloaded_update != OffloadedUpdate::device;
}

bool host_keeps_gradients(const Job& job) {
  return job.recipe.offload.optimizer &&
         job.recipe.software.offloaded_update == OffloadedUpdate::host_with_gradients &&
         (state_shards(job).gradients > 1 || expert_state_shards(job).gradients > 1);
}

Bytes state_bytes(const Recipe& recipe) {
  const bool has_master =
      data_type_of(recipe.precision) != DataType::fp32 && recipe.software.keeps_master_weights;
  return (has_master ? 12.0 : 8.0) * unit::byte;
}

Bytes gradient_bytes(const Recipe& recipe) {
  return size_of(recipe.software.gradients == GradientFormat::fp32
                     ? DataType::fp32
                     : data_type_of(recipe.precision));
}

LayerElements layer_elements(const StageWeights& weights) {
  constexpr std::int64_t alignment = 16;  // as they lie in the flat buffers
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> by_layer;
  for (const WeightSpec& spec : weights.specs) {
    if (spec.id.layer >= 0 && !spec.is_frozen) {
      auto& [dense, experts] = by_layer[spec.id.layer];
      (is_of_expert(spec) ? experts : dense) += rounded_up(spec.rows * spec.columns, alignment);
    }
  }
  LayerElements sum;
  for (const auto& [layer, elements] : by_layer) {
    sum.all += elements.first;
    sum.all_experts += elements.second;
    if (elements.first + elements.second > sum.largest + sum.largest_experts) {
      sum.largest = elements.first;
      sum.largest_experts = elements.second;
    }
  }
  return sum;
}

PartTraffic layer_traffic(const Job& job, std::int64_t layer, Bytes kept) {
  const Offload& offload = job.recipe.offload;
  PartTraffic traffic;
  if (offload.activations) {
    traffic.forward.out = kept;
    traffic.backward.in = kept;
  }
  if (!offload.weights && !host_keeps_gradients(job)) {
    return traffic;
  }
  const StageWeights weights = layer_weights(job, layer);
  if (offload.weights) {
    const Bytes share =
        share_of(job, weights.elements, weights.expert_elements, &StateShards::weights) *
        weight_bytes(job.recipe);
    traffic.forward.in += share;
    const bool stay = job.recipe.keeps_gathered_weights && state_shards(job).weights > 1;
    traffic.backward.in += stay ? Bytes() : share;
  }
  if (host_keeps_gradients(job)) {
    traffic.gradients =
        share_of(job, weights.elements, weights.expert_elements, &StateShards::gradients) *
        gradient_bytes(job.recipe);
  }
  return traffic;
}

void HostTransfers::add(const PassTraffic& traffic, Seconds compute, std::int64_t times) {
  slots_.push_back({compute, traffic.in / link_.rate, traffic.out / link_.rate, times});
}

Seconds HostTransfers::exposed() const {
  Seconds all;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const Slot& before = slots_[(i + slots_.size() - 1) % slots_.size()];
    const Slot& behind = slots_[(i + 1) % slots_.size()];
    const auto waits = [&](Seconds out, Seconds in) {
      return std::max(Seconds(), std::max(out, in) - slot.compute);
    };
    if (slot.times == 1) {
      all += waits(before.out, behind.in);
      continue;
    }
    all += waits(before.out, slot.in) + waits(slot.out, behind.in) +
           static_cast<double>(slot.times - 2) * waits(slot.out, slot.in);
  }
  return all;
}

Seconds HostTransfers::alone() const {
  Seconds all;
  for (const Slot& slot : slots_) {
    all += static_cast<double>(slot.times) * (slot.in + slot.out);
  }
  return all;
}

namespace {

// Updated weights that change sides: the host's update has those of its shard, layers that are
// offloaded need them whole where the host keeps more than that.
void move_weights(const Job& job, const StageWeights& weights, TailOffload& tail) {
  const Recipe& recipe = job.recipe;
  const LayerElements layers = layer_elements(weights);
  const Bytes layers_on_host =
      share_of(job, layers.all, layers.all_experts, &StateShards::weights) * weight_bytes(recipe);
  if (!tail.updates_on_host) {
    tail.state_out += recipe.offload.weights ? layers_on_host : Bytes();
    return;
  }
  const Bytes all =
      share_of(job, weights.elements, weights.expert_elements, &StateShards::optimizer) *
      weight_bytes(recipe);
  const bool keeps_its_own = recipe.offload.weights &&
                             state_shards(job).weights == state_shards(job).optimizer &&
                             expert_state_shards(job).weights == expert_state_shards(job).optimizer;
  if (keeps_its_own) {
    tail.weights_in = std::max(Bytes(), all - layers_on_host);
    return;
  }
  tail.weights_in = all;
  tail.weights_out = recipe.offload.weights ? layers_on_host : Bytes();
}

}  // namespace

std::optional<TailOffload> tail_offload(const Job& job,
                                        const StageWeights& weights,
                                        const HostLink& link) {
  const Recipe& recipe = job.recipe;
  if (!recipe.offload.optimizer && !recipe.offload.weights) {
    return std::nullopt;
  }
  TailOffload tail;
  tail.link = link;
  tail.updates_on_host = updates_on_host(recipe);
  const double elements =
      share_of(job, weights.elements, weights.expert_elements, &StateShards::optimizer);
  if (tail.updates_on_host && !host_keeps_gradients(job)) {
    tail.gradients = elements * gradient_bytes(recipe);
    tail.gradients_hide =
        recipe.software.offloaded_update == OffloadedUpdate::host_with_gradients &&
        recipe.software.overlaps_gradient_reduce;
  }
  if (recipe.offload.optimizer && !tail.updates_on_host) {
    tail.state_in = elements * state_bytes(recipe);
    tail.state_out = tail.state_in;
  }
  move_weights(job, weights, tail);
  return tail;
}

}  // namespace forerun
