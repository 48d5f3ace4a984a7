#include "estimator/rehearse/tensor_store.hpp"

#include <algorithm>

#include "estimator/rehearse/initial_values.hpp"
#include "units/bfloat16.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::size_t element_bytes(DataType type) {
  return static_cast<std::size_t>(size_of(type).in(unit::byte));
}

std::vector<std::uint16_t> to_bf16(const std::vector<float>& values) {
  std::vector<std::uint16_t> result(values.size());
  std::ranges::transform(
      values, result.begin(), [](float value) { return bf16_from_float(value); });
  return result;
}

// Elements of the optimizer state that this rank updates.
std::int64_t state_elements(const StageWork& work) {
  for (const WorkItem& item : work.tail) {
    if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
      return std::get<FlatShape>(kernel->key.shape).elements;
    }
  }
  return work.weights.elements;
}

}  // namespace

DeviceBuffer BufferPool::take(std::size_t bytes) {
  live_ += bytes;
  peak_ = std::max(peak_, live_);
  if (const auto found = free_.find(bytes); found != free_.end()) {
    DeviceBuffer buffer = std::move(found->second);
    free_.erase(found);
    return buffer;
  }
  return {device_, bytes};
}

void BufferPool::give_back(DeviceBuffer buffer) {
  const std::size_t bytes = buffer.bytes();
  live_ -= bytes;
  free_.emplace(bytes, std::move(buffer));
}

TensorStore::TensorStore(Device& device,
                         const Job& job,
                         const StageWork& work,
                         std::int64_t data_rank)
    : device_(device),
      weights_(work.weights),
      type_(data_type_of(job.recipe.precision)),
      shard_elements_(state_elements(work)),
      shard_first_(shard_elements_ == weights_.elements ? 0 : data_rank * shard_elements_),
      pool_(device),
      weight_(device, static_cast<std::size_t>(weights_.elements) * element_bytes(type_)),
      gradient_(device, static_cast<std::size_t>(weights_.elements) * sizeof(float)) {
  const std::size_t state = static_cast<std::size_t>(shard_elements_) * sizeof(float);
  moment1_ = DeviceBuffer(device, state);
  moment2_ = DeviceBuffer(device, state);
  if (type_ != DataType::fp32) {
    master_ = DeviceBuffer(device, state);
  }
  for (const WeightSpec& spec : weights_.specs) {
    offsets_[spec.id] = spec.offset;
  }
}

void TensorStore::initialise(const Job& job, std::int64_t tensor_rank, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(weights_.elements), 0.0F);
  for (const WeightSpec& spec : weights_.specs) {
    std::ranges::copy(initial_weight(spec, job, tensor_rank, seed), values.begin() + spec.offset);
  }
  if (type_ == DataType::fp32) {
    device_.copy_in(weight_.data(), values.data(), weight_.bytes());
  } else {
    device_.copy_in(weight_.data(), to_bf16(values).data(), weight_.bytes());
    device_.copy_in(master_.data(), values.data() + shard_first_, master_.bytes());
  }
  device_.set_zero(moment1_.data(), moment1_.bytes());
  device_.set_zero(moment2_.data(), moment2_.bytes());
  device_.set_zero(gradient_.data(), gradient_.bytes());
}

void* TensorStore::resident(TensorId id) const {
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
    case TensorName::flat_master:
      return master_.data();
    case TensorName::flat_moment1:
      return moment1_.data();
    case TensorName::flat_moment2:
      return moment2_.data();
    default: {
      const std::int64_t offset = offsets_.at({id.name, id.layer, false});
      return id.gradient ? element(gradient_, offset, sizeof(float))
                         : element(weight_, offset, element_bytes(type_));
    }
  }
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

void TensorStore::release(TensorId id, std::int64_t micro_batch) {
  if (const auto found = activations_.find({id, micro_batch}); found != activations_.end()) {
    pool_.give_back(std::move(found->second));
    activations_.erase(found);
  }
}

std::vector<float> TensorStore::gradients() const {
  std::vector<float> values(static_cast<std::size_t>(weights_.elements));
  device_.copy_out(values.data(), gradient_.data(), gradient_.bytes());
  return values;
}

std::uint64_t TensorStore::weight_checksum() const {
  std::vector<unsigned char> bytes(weight_.bytes());
  device_.copy_out(bytes.data(), weight_.data(), weight_.bytes());
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const unsigned char byte : bytes) {
    hash = (hash ^ byte) * 0x100000001B3ULL;
  }
  return hash;
}

Bytes TensorStore::peak_memory() const {
  const std::size_t flat =
      weight_.bytes() + gradient_.bytes() + master_.bytes() + moment1_.bytes() + moment2_.bytes();
  return static_cast<double>(flat + pool_.peak_bytes()) * unit::byte;
}

}  // namespace forerun
