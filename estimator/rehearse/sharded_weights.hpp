// Weights and gradients that data-parallel ranks share (ZeRO-2 and 3): each keeps a part of every
// unit, whole ones are put together for as long as they are worked with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "estimator/rehearse/buffer_pool.hpp"
#include "estimator/step/gradient_buckets.hpp"
#include "estimator/step/stage_weights.hpp"
#include "jobs/job.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// This rank among those that share the state of the dense weights, and of the experts', and the
/// buckets of the flat buffers in which each rank has a part.
struct ShardRanks {
  std::int64_t data = 0;
  std::int64_t expert_data = 0;
  std::vector<FlatRange> buckets = {};
  std::vector<FlatRange> expert_buckets = {};
};

/// A unit is what travels together: a layer, the token embedding, what else stands at an end of the
/// model. Not for experts, whose weights other ranks share.
class ShardedWeights {
 public:
  /// Throws OutOfMemory.
  ShardedWeights(
      Device& device, BufferPool& pool, const Job& job, StageWeights weights, std::int64_t rank);

  /// Keeps this rank's parts of the weights, given in the order of the flat buffer.
  void initialise(const std::vector<float>& values);

  /// A weight of a unit that is whole now. Throws std::logic_error when it is not.
  [[nodiscard]] void* weight(TensorId id) const;
  /// Where a weight's gradient is added up; its unit's are zero at first use after a reduction.
  [[nodiscard]] void* gradient(TensorId id);

  /// Collective over `group`: makes the units that `layer` names in the work list whole (-1: the
  /// embedding, the number of layers: the head), and gives the others back.
  void gather(std::int64_t layer, Communicator& group);
  /// Starts the same for the layer that is gathered next, and returns.
  void gather_ahead(std::int64_t layer, Communicator& group);
  [[nodiscard]] bool is_whole(std::int64_t layer) const;
  /// Gives back what is whole, where weights are sharded at all.
  void give_back();

  /// Collective over `group`: adds the ranks' gradients of the units up, each rank's part to its
  /// own.
  void reduce(std::int64_t layer, Communicator& group);
  /// The same in two steps; what was started before is finished first. `group` is not the one that
  /// gathers.
  void start_reduce(std::int64_t layer, Communicator& group);
  void finish_reduce(Communicator& group);
  /// Collective over `group`: adds up the gradients of norms that tensor ranks computed each from
  /// their tokens; of the embedding that two stages hold.
  void sum_replicated(Communicator& group);
  void sum_embedding(Communicator& group);

  /// One step of AdamW on this rank's parts.
  void update(const KernelScalars& scalars);
  /// Collective over `group`, ZeRO-2: updated parts to all ranks.
  void share_updated(Communicator& group);
  void zero_gradients();

  /// This rank's gradients in the order of the flat buffer, zero elsewhere, and where they lie.
  [[nodiscard]] std::vector<float> gradients() const;
  [[nodiscard]] std::vector<FlatRange> held() const;

 private:
  struct Unit {
    std::int64_t key = 0;
    std::vector<const WeightSpec*> specs;
    std::vector<std::int64_t> offsets;  ///< of the specs within the unit
    std::int64_t elements = 0;          ///< padded to whole parts
    std::int64_t summed = 0;            ///< the first ones, which are summed over tensor ranks
    std::int64_t first = 0;             ///< of this rank's part in the buffers of parts
    DeviceBuffer whole;
    DeviceBuffer gradient;
  };

  /// Elements of a unit that also lie in this rank's part: [from, to) within the unit.
  struct Overlap {
    std::int64_t from = 0;
    std::int64_t to = 0;
  };

  void add_units(const StageWeights& weights);
  [[nodiscard]] std::vector<Unit*> units_of(std::int64_t layer);

  [[nodiscard]] std::int64_t part_of(const Unit& unit) const { return unit.elements / ranks_; }

  [[nodiscard]] Overlap own(const Unit& unit, std::int64_t from, std::int64_t to) const;
  [[nodiscard]] static void* part(const DeviceBuffer& buffer, const Unit& unit);
  [[nodiscard]] void* slot(const DeviceBuffer& buffer, const Unit& unit, DataType type) const;
  /// Where a weight lies: its unit and its place among the unit's.
  [[nodiscard]] std::pair<std::size_t, std::size_t> place_of(TensorId id) const;
  void drop_whole(const std::vector<Unit*>& but = {});
  void fill_whole(Unit& unit, const std::vector<float>& values);
  void make_whole(Unit& unit, Communicator& group);
  /// Memory for the whole of it, with this rank's part in its place, which is returned.
  void* begin_whole(Unit& unit);
  void finish_ahead(Communicator& group);
  void add_reduced(const Unit& unit, DeviceBuffer gradient);

  /// A gradient whose sum is under way.
  struct Reduction {
    Unit* unit = nullptr;
    DeviceBuffer gradient;
  };

  Device& device_;
  BufferPool& pool_;
  StageWeights weights_;
  DataType type_;
  std::int64_t ranks_;
  std::int64_t rank_;
  std::int64_t layers_;
  bool shards_weights_;
  bool keeps_whole_;  ///< what is gathered stays until the update
  bool head_is_tied_;
  std::vector<Unit> units_;
  bool gathers_ahead_ = false;  ///< a gather is under way
  std::vector<Reduction> reductions_;
  std::int64_t own_elements_ = 0;
  DeviceBuffer master_;  ///< fp32 weights
  DeviceBuffer sum_;     ///< gradients
  DeviceBuffer moment1_;
  DeviceBuffer moment2_;
};

/// Why this job's weights cannot be shared so; empty when they can, or need not.
[[nodiscard]] std::optional<std::string> sharding_not_executed_because(const Job& job);

/// Whether gradients, and with ZeRO-3 weights, lie in parts on data-parallel ranks.
[[nodiscard]] bool shards_units(const Job& job);

}  // namespace forerun
