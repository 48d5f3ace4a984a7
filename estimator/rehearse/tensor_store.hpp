// Where the tensors of a rehearsed step live: flat buffers of weights and state, and activations
// that come and go.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "estimator/step/stage_weights.hpp"
#include "estimator/step/tensor.hpp"
#include "estimator/step/work_list.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// Reuses freed buffers of the same size: an allocation in the middle of a step would be timed as
/// part of it.
class BufferPool {
 public:
  explicit BufferPool(Device& device) : device_(device) {}

  [[nodiscard]] DeviceBuffer take(std::size_t bytes);
  void give_back(DeviceBuffer buffer);

  [[nodiscard]] std::size_t live_bytes() const { return live_; }

  [[nodiscard]] std::size_t peak_bytes() const { return peak_; }

 private:
  Device& device_;
  std::multimap<std::size_t, DeviceBuffer> free_;
  std::size_t live_ = 0;
  std::size_t peak_ = 0;
};

/// Weights, gradients and optimizer state of one rank, and the activations of every micro-batch in
/// flight.
class TensorStore {
 public:
  /// `data_rank` counts within the group that shares the optimizer state.
  TensorStore(Device& device, const Job& job, const StageWork& work, std::int64_t data_rank);

  /// Writes the initial weights of this tensor rank; moments and gradients become zero.
  void initialise(const Job& job, std::int64_t tensor_rank, std::uint64_t seed);

  /// The memory of a tensor; an activation is made on first use, `bytes` large.
  [[nodiscard]] void* at(TensorId id, std::int64_t micro_batch, std::size_t bytes);
  void release(TensorId id, std::int64_t micro_batch);

  [[nodiscard]] const StageWeights& weights() const { return weights_; }

  /// The elements of the flat buffers that this rank's optimizer updates.
  [[nodiscard]] std::int64_t shard_first() const { return shard_first_; }

  [[nodiscard]] std::int64_t shard_elements() const { return shard_elements_; }

  /// This rank's gradients, fp32, in the order of the flat buffer.
  [[nodiscard]] std::vector<float> gradients() const;

  /// FNV-1a of the weights' bytes.
  [[nodiscard]] std::uint64_t weight_checksum() const;

  /// Flat buffers plus the most activations alive at once.
  [[nodiscard]] Bytes peak_memory() const;

 private:
  struct Place {
    TensorId id;
    std::int64_t micro_batch = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  [[nodiscard]] void* resident(TensorId id) const;

  Device& device_;
  StageWeights weights_;
  DataType type_;
  std::int64_t shard_elements_;
  std::int64_t shard_first_;
  BufferPool pool_;
  std::map<TensorId, std::int64_t> offsets_;
  DeviceBuffer weight_;
  DeviceBuffer gradient_;
  DeviceBuffer master_;
  DeviceBuffer moment1_;
  DeviceBuffer moment2_;
  std::map<Place, DeviceBuffer> activations_;
};

}  // namespace forerun
