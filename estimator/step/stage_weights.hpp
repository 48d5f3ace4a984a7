// The weights of one rank: local shapes, which part of the whole matrix they are, where they lie
// in the flat buffers that the optimizer and the data-parallel collectives see.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/tensor.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// Over the tensor group; `expert_` ones by expert over the expert group, and each expert over the
/// expert tensor group.
enum class Split {
  replicated,
  rows,
  columns,
  qkv_rows,
  gated_rows,
  expert_rows,
  expert_gated_rows,
  expert_columns,
  section_rows  ///< runs of rows, each split over the tensor group
};
/// `taps`: of a convolution, uniform up to one over the root of its width, as PyTorch's Conv1d.
enum class Initial { normal, ones, zeros, taps };

/// A weight matrix W[rows x columns] of a Linear layer (out x in), a table, or a vector (rows = 1).
struct WeightSpec {
  TensorId id;
  std::int64_t rows = 0;  ///< of the local shard
  std::int64_t columns = 0;
  Split split = Split::replicated;
  Initial initial = Initial::normal;
  std::int64_t offset = 0;                  ///< of its first element in the flat buffers
  std::vector<std::int64_t> sections = {};  ///< local rows of each run, with `section_rows`
  bool is_frozen = false;                   ///< not trained: lies in no flat buffer
};

/// Whether it is of experts, which other ranks than those of the data-parallel group share.
[[nodiscard]] bool is_of_expert(const WeightSpec& spec);

/// Rows of a gradient that other tensor ranks hold too, each computing a part of their sum.
struct SharedRows {
  std::int64_t layer = 0;
  bool is_bias = false;
  std::int64_t offset = 0;           ///< of the rows' gradient in the flat buffer
  std::int64_t elements = 0;         ///< of one KV head's keys and values
  std::int64_t exchange_offset = 0;  ///< where the places of all KV heads begin in the exchange
};

struct StageWeights {
  std::vector<WeightSpec> specs;  ///< replicated ones first: they lie together in the flat buffers
  /// The flat buffers' head whose gradients are sums over the tensor group: everything replicated
  /// with sequence parallelism (each rank saw its tokens), else only the norms of the heads.
  std::int64_t tensor_summed_elements = 0;
  /// Of a flat buffer, padded to a multiple of 16 * dp * cp; without the experts, whose gradients
  /// other ranks share.
  std::int64_t elements = 0;
  std::int64_t parameters = 0;  ///< without padding between weights
  /// Behind the others in the flat buffers: the experts' weights, padded to a multiple of 16 times
  /// the ranks that hold the same ones.
  std::int64_t expert_elements = 0;
  std::int64_t expert_parameters = 0;
  /// With adapters, the weights that are not trained: those in the training's format, padded as
  /// `elements`, and those of 4 bits, the largest of which is widened at a time.
  std::int64_t frozen_elements = 0;
  std::int64_t frozen_expert_elements = 0;
  std::int64_t quantized_elements = 0;
  std::int64_t largest_quantized = 0;
  /// Where there are fewer KV heads than tensor ranks: what is summed over the ranks that share
  /// one.
  std::vector<SharedRows> shared_rows;
  std::int64_t exchange_elements = 0;  ///< fp32 buffer with a place for every KV head
};

/// Weights of the chunks that `stage` holds. A tied head on another stage than the embedding is a
/// second copy of the embedding.
[[nodiscard]] StageWeights stage_weights(const Job& job, std::int64_t stage);

/// The weights of one layer of a rank, as a unit that is gathered and reduced together.
[[nodiscard]] StageWeights layer_weights(const Job& job, std::int64_t layer);

/// Over how many ranks the data-parallel copies of a stage share its state; 1: each holds all.
struct StateShards {
  std::int64_t weights = 1;
  std::int64_t gradients = 1;
  std::int64_t optimizer = 1;
};

/// ZeRO (Rajbhandari et al. 2019, arXiv 1910.02054, section 5) over dp * cp ranks, or over HSDP's
/// groups of them. Under a pipeline ZeRO-2 keeps gradients whole: micro-batches are in flight
/// together and their gradients are reduced once (torchtitan turns the reduction off until the last
/// micro-batch; Llama 3, arXiv 2407.21783, section 3.3.2).
[[nodiscard]] StateShards state_shards(const Job& job);

/// The same of the experts' state, over the ranks that hold the same parts of the same experts.
[[nodiscard]] StateShards expert_state_shards(const Job& job);

/// Whether products read 8-bit copies of this weight: with fp8 precisions the matrices of layers,
/// but for the router (Megatron-Core's default).
[[nodiscard]] bool has_fp8_copy(const Recipe& recipe, TensorId weight);

/// Elements of the weights, of experts or of the others, that are kept and gathered in 8 bits
/// alone: Recipe::fp8_param_gather.
[[nodiscard]] std::int64_t narrow_elements(const Recipe& recipe,
                                           const StageWeights& weights,
                                           bool of_experts);

/// Whether this weight is a matrix that products of a layer read, but for the router and what is
/// alike it: what 8-bit precisions and 4-bit bases replace.
[[nodiscard]] bool is_layer_matrix(TensorId weight);

/// Whether the weight is kept in 4 bits.
[[nodiscard]] bool is_quantized(const Recipe& recipe, const WeightSpec& spec);

/// Local elements of the token embedding, and of the head.
[[nodiscard]] std::int64_t embedding_elements(const Job& job);

/// A run of consecutive rows of a local shard and where they lie in the whole matrix.
struct RowBlock {
  std::int64_t local_first = 0;
  std::int64_t global_first = 0;
  std::int64_t count = 0;
};

/// Where a shard lies in the whole matrix.
struct ShardPlace {
  std::vector<RowBlock> rows;
  std::int64_t first_column = 0;
  std::int64_t global_columns = 0;
};

/// Which parts of split weights a rank holds.
struct WeightPart {
  std::int64_t tensor = 0;
  std::int64_t expert = 0;
  std::int64_t expert_tensor = 0;
};

[[nodiscard]] ShardPlace shard_place(const WeightSpec& spec,
                                     const Job& job,
                                     const WeightPart& part);

/// Ranks that hold the same parts of the same experts: tp * cp * dp / (etp * ep).
[[nodiscard]] std::int64_t expert_replicas(const ParallelLayout& layout);

/// Query and KV heads of one tensor rank; KV heads are replicated when there are fewer than ranks.
[[nodiscard]] std::int64_t local_heads(const Job& job);
[[nodiscard]] std::int64_t local_kv_heads(const Job& job);

/// Width of the up-projection's output over the FFN width: 2 if gated.
[[nodiscard]] std::int64_t up_factor(const ModelShape& model);

}  // namespace forerun
