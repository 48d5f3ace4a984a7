// The pieces that a model chunk is made of: embedding, layers, head. Layers that are alike are
// built and priced once.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "estimator/step/work_builder.hpp"
#include "estimator/step/work_list.hpp"

namespace forerun {

/// `recomputed_layer`: its forward pass is repeated in the backward pass.
enum class PartKind { embedding, layer, recomputed_layer, head };

struct PartWork {
  std::vector<WorkItem> forward;
  std::vector<WorkItem> backward;
  std::vector<TensorId> kept;  ///< activations that live from forward to backward
};

/// Items of one part in the order of issue; with ZeRO-3 its weights are gathered before each pass,
/// with ZeRO-2 and 3 its gradients are reduced after the backward pass. `layer` counts for layers
/// only.
[[nodiscard]] PartWork part_work(const Job& job,
                                 const WorkBuilder& builder,
                                 PartKind kind,
                                 std::int64_t layer);

/// Keeps the work of a job's distinct parts. Job and builder must outlive it.
class PartWorks {
 public:
  PartWorks(const Job& job, const WorkBuilder& builder) : job_(job), builder_(builder) {}

  [[nodiscard]] const PartWork& of(PartKind kind, std::int64_t layer);

 private:
  const Job& job_;
  const WorkBuilder& builder_;
  std::map<std::pair<PartKind, std::int64_t>, PartWork> works_;  ///< by PartKey
};

struct Touched {
  std::vector<TensorId> read;
  std::vector<TensorId> written;
};

/// Throws std::logic_error where an item has more or fewer tensors than its kernel has operands.
[[nodiscard]] Touched touched_by(const WorkItem& item);

/// What `items` need from before: tensors that they read before they write them.
[[nodiscard]] std::set<TensorId> read_before_written(const std::vector<WorkItem>& items);

/// The activations among what `backward` needs from before.
[[nodiscard]] std::vector<TensorId> kept_for(const std::vector<WorkItem>& backward);

/// Marks each activation for release after the last item that touches it, unless it is spared.
void mark_releases(std::vector<WorkItem>& items, const std::vector<TensorId>& spared);

/// What a chunk consists of, as far as its work depends on it.
struct ChunkContent {
  ChunkLayers layers;
  bool embedding = false;
  bool head = false;
  std::int64_t recomputed = 0;  ///< of the layers, the first ones
};

/// The chunks of a job's stage, by local chunk.
[[nodiscard]] std::vector<ChunkContent> contents_of_stage(const Job& job, std::int64_t stage);

/// Parts with equal keys have equal work: the kind, and of layers the first that is alike.
using PartKey = std::pair<PartKind, std::int64_t>;

[[nodiscard]] PartKey part_key(const ModelShape& model, PartKind kind, std::int64_t layer);

/// Whether all layers of a model have equal work.
[[nodiscard]] bool layers_are_alike(const ModelShape& model);

/// A run of equal parts of a chunk, in model order.
struct PartRun {
  PartKind kind = PartKind::layer;
  std::int64_t first_layer = 0;
  std::int64_t count = 1;
};

[[nodiscard]] std::vector<PartRun> parts_of(const Job& job, const ChunkContent& chunk);

}  // namespace forerun
