// Where the tensors of a rehearsed step live: flat buffers of weights and state, and activations
// that come and go.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "estimator/rehearse/buffer_pool.hpp"
#include "estimator/rehearse/sharded_weights.hpp"
#include "estimator/step/stage_weights.hpp"
#include "estimator/step/tensor.hpp"
#include "estimator/step/work_list.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// Weights, gradients and optimizer state of one rank, and the activations of every micro-batch in
/// flight.
class TensorStore {
 public:
  /// Throws OutOfMemory when this and later tensors together exceed `limit` or what there is.
  TensorStore(Device& device,
              const Job& job,
              const StageWork& work,
              const ShardRanks& ranks,
              Bytes limit = Bytes::infinite());

  /// Writes the initial weights of this part; moments and gradients become zero.
  void initialise(const Job& job, const WeightPart& part, std::uint64_t seed);

  /// The memory of a tensor; an activation is made on first use, `bytes` large.
  [[nodiscard]] void* at(TensorId id, std::int64_t micro_batch, std::size_t bytes);
  void release(TensorId id, std::int64_t micro_batch);
  /// Whether an activation has memory.
  [[nodiscard]] bool holds(TensorId id, std::int64_t micro_batch) const;

  /// For memory that has no name in the work list; it counts as an activation.
  [[nodiscard]] BufferPool& pool() { return pool_; }

  [[nodiscard]] const StageWeights& weights() const { return weights_; }

  /// The elements of the flat buffers that this rank's optimizer updates, in the order of its
  /// state: of the dense weights, and of the experts'.
  [[nodiscard]] const std::vector<FlatRange>& shards() const { return dense_; }

  [[nodiscard]] const std::vector<FlatRange>& expert_shards() const { return experts_; }

  /// This rank's gradients, fp32, in the order of the flat buffer.
  [[nodiscard]] std::vector<float> gradients() const;
  /// Where that order holds reduced gradients on this rank.
  [[nodiscard]] std::vector<FlatRange> reduced() const;

  /// Where data-parallel ranks share gradients, or weights too; else null.
  [[nodiscard]] ShardedWeights* sharded() { return sharded_ ? &*sharded_ : nullptr; }

  /// FNV-1a of the weights' bytes: the dense ones, and the experts'.
  struct Checksums {
    std::uint64_t dense = 0;
    std::uint64_t experts = 0;
  };

  [[nodiscard]] Checksums weight_checksums() const;

  /// Flat buffers plus the most activations alive at once.
  [[nodiscard]] Bytes peak_memory() const;

 private:
  struct Place {
    TensorId id;
    std::int64_t micro_batch = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  [[nodiscard]] void* resident(TensorId id);
  void take_flat_buffers();
  [[nodiscard]] std::int64_t whole_elements() const;
  /// KV heads that tensor ranks share: their gradient's rows, their place in the exchange.
  [[nodiscard]] void* shared_rows(TensorId id) const;

  Device& device_;
  StageWeights weights_;
  DataType type_;
  std::vector<FlatRange> dense_;
  std::vector<FlatRange> experts_;
  BufferPool pool_;
  std::optional<ShardedWeights> sharded_;
  std::map<TensorId, std::int64_t> offsets_;
  DeviceBuffer weight_;
  DeviceBuffer gradient_;
  DeviceBuffer master_;
  DeviceBuffer moment1_;
  DeviceBuffer moment2_;
  DeviceBuffer exchange_;
  std::int64_t kv_head_ = 0;  // the one held here, where tensor ranks share them
  std::map<Place, DeviceBuffer> activations_;
};

}  // namespace forerun
