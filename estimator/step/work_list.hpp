// The work of one rank in one training step: every kernel and every collective, in order, with the
// tensors they touch. `measure` times its keys, `rehearse` executes it, `estimate` prices it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "comm/collective_key.hpp"
#include "comm/process_grid.hpp"
#include "estimator/step/stage_weights.hpp"
#include "estimator/step/tensor.hpp"
#include "jobs/job.hpp"
#include "kernels/kernel_key.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// Which part of the step's breakdown an item belongs to.
enum class Part {
  compute,
  recompute,
  tensor_parallel,
  context_parallel,
  expert_parallel,
  data_parallel,
  optimizer
};

struct KernelWork {
  KernelKey key;
  std::vector<TensorId> operands;  ///< in the order of `operands_of(key)`
};

struct CollectiveWork {
  CollectiveKey key;
  GroupKind group = GroupKind::tensor;
  ReduceOp reduce = ReduceOp::sum;
  TensorId from;
  TensorId to;  ///< equal to `from`: in place
  /// The GEMM that has no data dependence on this collective and may run beside it: Megatron
  /// gathers the input under dgrad and reduces dX under wgrad.
  std::optional<KernelKey> hides_under;
  /// Of an all_to_all of tokens: rows go back to where they came from.
  bool gives_back = false;
};

struct WorkItem {
  Part part = Part::compute;
  std::variant<KernelWork, CollectiveWork> work;
  std::vector<TensorId> release;  ///< activations whose last use within the micro-batch this is
  bool skips_first = false;       ///< not done in the first micro-batch: nothing to add to yet
  /// Works on rows that the router sends here: as many as the key says on the rank that is priced,
  /// as many as come when the step runs.
  bool is_routed = false;
};

/// One model chunk on one stage: what a micro-batch runs forward and, later, backward.
struct ChunkWork {
  std::int64_t chunk = 0;  ///< in model order
  ChunkLayers layers;
  bool holds_embedding = false;
  bool holds_head = false;
  std::vector<WorkItem> forward;
  std::vector<WorkItem> backward;
  TensorId input;              ///< received from the chunk before, unless it holds_embedding
  TensorId output;             ///< sent to the chunk after, unless it holds_head
  std::vector<TensorId> kept;  ///< activations that live from forward to backward
};

/// Everything that one rank of a stage does in one optimizer step.
struct StageWork {
  std::int64_t stage = 0;
  std::vector<ChunkWork> chunks;  ///< vp of them, in model order
  StageWeights weights;
  std::optional<CollectiveKey> boundary;  ///< one message between neighbouring chunks; pp > 1
  std::vector<WorkItem> tail;             ///< after the last backward: reductions, optimizer
};

/// How ranks lie on nodes, and in which order the dimensions of the layout number them.
struct Placement {
  std::int64_t devices_per_node = 1;
  RankOrder rank_order = megatron_order;
  std::int64_t devices_per_host = 0;  ///< of a node that is several hosts; 0: it is one
  std::int64_t max_devices = 0;       ///< of the fabric; 0: as many as it takes
};

[[nodiscard]] Placement placement_on(const Cluster& cluster, const RankOrder& order);

/// Ranks that the job puts on a node: all its devices, or what is left when inner groups are kept
/// whole (comm/node_segment.hpp): on more than one node, of which there are enough, with tensor,
/// context and expert ranks as neighbours.
[[nodiscard]] std::int64_t ranks_per_node(const Placement& placement, const ParallelLayout& layout);

/// Why this build cannot lay out the job's work; empty when it can.
[[nodiscard]] std::optional<std::string> unsupported_because(const Job& job);

/// What the work list lacks of the model, each too small to matter for a step's time: biases and
/// the like, for which there is no kernel.
[[nodiscard]] std::vector<std::string> left_out_of(const Job& job);

/// Why the work list of a supported job can be priced but not run; empty when it can run.
[[nodiscard]] std::optional<std::string> not_executed_because(const Job& job);

/// The work of any rank of `stage`: tensor- and data-parallel peers do the same. The job must be
/// legal (`illegal_because`) and supported.
[[nodiscard]] StageWork stage_work(const Job& job, const Placement& placement, std::int64_t stage);

/// The number format of weights and activations.
[[nodiscard]] DataType data_type_of(Precision precision);

/// Distinct keys of all stages of the job, in order of first use.
struct WorkKeys {
  std::vector<KernelKey> kernels;
  std::vector<CollectiveKey> collectives;
};

[[nodiscard]] WorkKeys work_keys(const Job& job, const Placement& placement);

}  // namespace forerun
