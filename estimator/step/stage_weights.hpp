// The weights of one rank: local shapes, which part of the whole matrix they are, where they lie
// in the flat buffers that the optimizer and the data-parallel collectives see.
#pragma once

#include <cstdint>
#include <vector>

#include "estimator/step/tensor.hpp"
#include "jobs/job.hpp"

namespace forerun {

enum class Split { replicated, rows, columns, qkv_rows, gated_rows };
enum class Initial { normal, ones, zeros };

/// A weight matrix W[rows x columns] of a Linear layer (out x in), a table, or a vector (rows = 1).
struct WeightSpec {
  TensorId id;
  std::int64_t rows = 0;  ///< of the local shard
  std::int64_t columns = 0;
  Split split = Split::replicated;  ///< over the tensor group
  Initial initial = Initial::normal;
  std::int64_t offset = 0;  ///< of its first element in the flat buffers
};

struct StageWeights {
  std::vector<WeightSpec> specs;  ///< replicated ones first: they lie together in the flat buffers
  /// The flat buffers' head whose gradients are sums over the tensor group: everything replicated
  /// with sequence parallelism (each rank saw its tokens), else only the norms of the heads.
  std::int64_t tensor_summed_elements = 0;
  std::int64_t elements = 0;    ///< of a flat buffer, padded to a multiple of 16 * dp * cp
  std::int64_t parameters = 0;  ///< without padding between weights
};

/// Weights of the chunks that `stage` holds. A tied head on another stage than the embedding is a
/// second copy of the embedding.
[[nodiscard]] StageWeights stage_weights(const Job& job, std::int64_t stage);

/// A run of consecutive rows of a local shard and where they lie in the whole matrix.
struct RowBlock {
  std::int64_t local_first = 0;
  std::int64_t global_first = 0;
  std::int64_t count = 0;
};

/// Where the shard of `tensor_rank` lies in the whole matrix.
struct ShardPlace {
  std::vector<RowBlock> rows;
  std::int64_t first_column = 0;
  std::int64_t global_columns = 0;
};

[[nodiscard]] ShardPlace shard_place(const WeightSpec& spec,
                                     const Job& job,
                                     std::int64_t tensor_rank);

/// Query and KV heads of one tensor rank; KV heads are replicated when there are fewer than ranks.
[[nodiscard]] std::int64_t local_heads(const Job& job);
[[nodiscard]] std::int64_t local_kv_heads(const Job& job);

/// Width of the up-projection's output over the FFN width: 2 if gated.
[[nodiscard]] std::int64_t up_factor(const ModelShape& model);

}  // namespace forerun
