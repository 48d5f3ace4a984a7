#include "estimator/rehearse/tensor_store.hpp"

#include <algorithm>
#include <utility>

#include "estimator/rehearse/initial_values.hpp"
#include "units/bfloat16.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::vector<std::uint16_t> to_bf16(const std::vector<float>& values) {
  std::vector<std::uint16_t> result(values.size());
  std::ranges::transform(
      values, result.begin(), [](float value) { return bf16_from_float(value); });
  return result;
}

// Elements that this rank's optimizer updates of those behind this gradient.
std::int64_t state_elements(const StageWork& work, TensorName gradient) {
  for (const WorkItem& item : work.tail) {
    const auto* kernel = std::get_if<KernelWork>(&item.work);
    if (kernel != nullptr && kernel->key.op == KernelOp::adamw &&
        kernel->operands.front().name == gradient) {
      return std::get<FlatShape>(kernel->key.shape).elements;
    }
  }
  return 0;
}

// This rank's part of every bucket; all of the buffer where its optimizer updates all of it.
std::vector<FlatRange> shards_of(const FlatRange& whole,
                                 std::int64_t updated,
                                 std::vector<FlatRange> buckets,
                                 std::int64_t rank) {
  if (updated == whole.elements) {
    return {whole};
  }
  if (buckets.empty()) {
    buckets.push_back(whole);
  }
  std::vector<FlatRange> shards;
  for (const FlatRange& bucket : buckets) {
    const std::int64_t share = bucket.elements * updated / whole.elements;
    shards.push_back({bucket.first + rank * share, share});
  }
  return shards;
}

std::int64_t elements_of(const std::vector<FlatRange>& ranges) {
  std::int64_t sum = 0;
  for (const FlatRange& range : ranges) {
    sum += range.elements;
  }
  return sum;
}

}  // namespace

TensorStore::TensorStore(
    Device& device, const Job& job, const StageWork& work, const ShardRanks& ranks, Bytes limit)
    : device_(device),
      weights_(work.weights),
      type_(data_type_of(job.recipe.precision)),
      dense_(shards_of({0, weights_.elements},
                       state_elements(work, TensorName::flat_gradient),
                       ranks.buckets,
                       ranks.data)),
      experts_(shards_of({weights_.elements, weights_.expert_elements},
                         state_elements(work, TensorName::expert_flat_gradient),
                         ranks.expert_buckets,
                         ranks.expert_data)),
      pool_(device, limit) {
  if (shards_units(job)) {
    sharded_.emplace(device, pool_, job, weights_, ranks.data);
  } else {
    take_flat_buffers();
  }
  if (weights_.exchange_elements > 0) {
    exchange_ =
        pool_.take_for_good(static_cast<std::size_t>(weights_.exchange_elements) * sizeof(float));
  }
  for (const WeightSpec& spec : weights_.specs) {
    offsets_[spec.id] = spec.offset;
  }
}

void TensorStore::take_flat_buffers() {
  const auto whole = static_cast<std::size_t>(whole_elements());
  const std::size_t state =
      static_cast<std::size_t>(elements_of(dense_) + elements_of(experts_)) * sizeof(float);
  weight_ = pool_.take_for_good(whole * element_bytes(type_));
  gradient_ = pool_.take_for_good(whole * sizeof(float));
  moment1_ = pool_.take_for_good(state);
  moment2_ = pool_.take_for_good(state);
  if (type_ != DataType::fp32) {
    master_ = pool_.take_for_good(state);
  }
}

std::int64_t TensorStore::whole_elements() const {
  return weights_.elements + weights_.expert_elements;
}

void TensorStore::initialise(const Job& job, const WeightPart& part, std::uint64_t seed) {
  kv_head_ = part.tensor * job.model.attention.kv_heads / job.layout.tensor;
  std::vector<float> values(static_cast<std::size_t>(whole_elements()), 0.0F);
  for (const WeightSpec& spec : weights_.specs) {
    std::ranges::copy(initial_weight(spec, job, part, seed), values.begin() + spec.offset);
  }
  if (sharded_) {
    sharded_->initialise(values);
    return;
  }
  if (type_ == DataType::fp32) {
    device_.copy_in(weight_.data(), values.data(), weight_.bytes());
  } else {
    device_.copy_in(weight_.data(), to_bf16(values).data(), weight_.bytes());
    std::vector<float> master;
    for (const std::vector<FlatRange>* const shards : {&dense_, &experts_}) {
      for (const FlatRange& shard : *shards) {
        const auto first = values.begin() + shard.first;
        master.insert(master.end(), first, first + shard.elements);
      }
    }
    device_.copy_in(master_.data(), master.data(), master_.bytes());
  }
  device_.set_zero(moment1_.data(), moment1_.bytes());
  device_.set_zero(moment2_.data(), moment2_.bytes());
  device_.set_zero(gradient_.data(), gradient_.bytes());
}

void* TensorStore::resident(TensorId id) {
  if (sharded_ && is_weight(id)) {
    return id.gradient ? sharded_->gradient(id) : sharded_->weight(id);
  }
  const auto element = [](const DeviceBuffer& buffer, std::int64_t index, std::size_t bytes) {
    return static_cast<void*>(static_cast<char*>(buffer.data()) +
                              static_cast<std::size_t>(index) * bytes);
  };
  switch (id.name) {
    case TensorName::flat_gradient:
    case TensorName::replicated_gradient:
      return gradient_.data();
    case TensorName::flat_weight:
      return weight_.data();
    case TensorName::expert_flat_gradient:
      return element(gradient_, weights_.elements, sizeof(float));
    case TensorName::expert_flat_weight:
      return element(weight_, weights_.elements, element_bytes(type_));
    case TensorName::expert_flat_master:
      return element(master_, elements_of(dense_), sizeof(float));
    case TensorName::expert_flat_moment1:
      return element(moment1_, elements_of(dense_), sizeof(float));
    case TensorName::expert_flat_moment2:
      return element(moment2_, elements_of(dense_), sizeof(float));
    case TensorName::flat_master:
      return master_.data();
    case TensorName::flat_moment1:
      return moment1_.data();
    case TensorName::flat_moment2:
      return moment2_.data();
    case TensorName::kv_exchange:
      return exchange_.data();
    case TensorName::kv_gradient:
    case TensorName::kv_bias_gradient:
    case TensorName::kv_slot:
    case TensorName::kv_bias_slot:
      return shared_rows(id);
    default: {
      const std::int64_t offset = offsets_.at({id.name, id.layer, false});
      return id.gradient ? element(gradient_, offset, sizeof(float))
                         : element(weight_, offset, element_bytes(type_));
    }
  }
}

void* TensorStore::shared_rows(TensorId id) const {
  const bool is_bias =
      id.name == TensorName::kv_bias_gradient || id.name == TensorName::kv_bias_slot;
  const bool is_slot = id.name == TensorName::kv_slot || id.name == TensorName::kv_bias_slot;
  const auto rows = std::ranges::find_if(weights_.shared_rows, [&](const SharedRows& known) {
    return known.layer == id.layer && known.is_bias == is_bias;
  });
  auto* const memory = static_cast<float*>(is_slot ? exchange_.data() : gradient_.data());
  return memory + (is_slot ? rows->exchange_offset + kv_head_ * rows->elements : rows->offset);
}

void* TensorStore::at(TensorId id, std::int64_t micro_batch, std::size_t bytes) {
  if (!is_activation(id) && !is_input(id)) {
    return resident(id);
  }
  const Place place{id, micro_batch};
  auto found = activations_.find(place);
  if (found == activations_.end()) {
    found = activations_.emplace(place, pool_.take(bytes)).first;
  }
  return found->second.data();
}

bool TensorStore::holds(TensorId id, std::int64_t micro_batch) const {
  return activations_.contains({id, micro_batch});
}

void TensorStore::release(TensorId id, std::int64_t micro_batch) {
  if (const auto found = activations_.find({id, micro_batch}); found != activations_.end()) {
    pool_.give_back(std::move(found->second));
    activations_.erase(found);
  }
}

std::vector<FlatRange> TensorStore::reduced() const {
  if (sharded_) {
    return sharded_->held();
  }
  std::vector<FlatRange> all = dense_;
  all.insert(all.end(), experts_.begin(), experts_.end());
  return all;
}

std::vector<float> TensorStore::gradients() const {
  if (sharded_) {
    return sharded_->gradients();
  }
  std::vector<float> values(static_cast<std::size_t>(whole_elements()));
  device_.copy_out(values.data(), gradient_.data(), gradient_.bytes());
  return values;
}

TensorStore::Checksums TensorStore::weight_checksums() const {
  if (sharded_) {
    return {};  // parts differ from rank to rank
  }
  std::vector<unsigned char> bytes(weight_.bytes());
  device_.copy_out(bytes.data(), weight_.data(), weight_.bytes());
  const auto dense = static_cast<std::size_t>(weights_.elements) * element_bytes(type_);
  const auto hash_of = [&](std::size_t first, std::size_t last) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (std::size_t i = first; i < last; ++i) {
      hash = (hash ^ bytes[i]) * 0x100000001B3ULL;
    }
    return hash;
  };
  return {hash_of(0, dense), hash_of(dense, bytes.size())};
}

Bytes TensorStore::peak_memory() const {
  return static_cast<double>(pool_.peak_bytes()) * unit::byte;
}

}  // namespace forerun
