// Turns layers into work items: the shapes of one micro-batch on one tensor rank, and the order in
// which Megatron issues their kernels and collectives (modelling.md 1.2).
#pragma once

#include <cstdint>
#include <vector>

#include "comm/process_grid.hpp"
#include "estimator/step/work_list.hpp"

namespace forerun {

/// Sizes that every item of a micro-batch shares.
struct MicroBatchSizes {
  std::int64_t batch = 0;       ///< sequences
  std::int64_t tokens = 0;      ///< sequence * batch
  std::int64_t row_tokens = 0;  ///< tokens of the residual stream here: tokens / tp with SP
  std::int64_t hidden = 0;
  std::int64_t heads = 0;     ///< local
  std::int64_t kv_heads = 0;  ///< local
  std::int64_t head_size = 0;
  std::int64_t qkv_width = 0;
  std::int64_t ffn = 0;         ///< local
  std::int64_t up_width = 0;    ///< local, gate and up together
  std::int64_t vocabulary = 0;  ///< local, padded
};

class WorkBuilder {
 public:
  WorkBuilder(const Job& job, const Placement& placement);

  void embedding_forward(std::vector<WorkItem>& items) const;
  void embedding_backward(std::vector<WorkItem>& items) const;
  /// Items of one layer; `part` is Part::recompute when the backward pass repeats them.
  void layer_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void layer_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  /// Final norm, vocabulary-parallel logits and cross-entropy.
  void head_forward(std::vector<WorkItem>& items) const;
  void head_backward(std::vector<WorkItem>& items) const;
  /// Gradient reductions, optimizer, parameter gather, gradients set to zero.
  [[nodiscard]] std::vector<WorkItem> tail(const StageWeights& weights, std::int64_t stage) const;
  /// The activation or gradient that neighbouring chunks exchange.
  [[nodiscard]] CollectiveKey boundary() const;

 private:
  void reduce_gradients(std::vector<WorkItem>& items,
                        const StageWeights& weights,
                        std::int64_t stage) const;
  void update_weights(std::vector<WorkItem>& items, const StageWeights& weights) const;

  struct Norm3 {
    TensorName weight, bias, input, output, stats;
    std::int64_t weight_layer, layer;
  };

  struct Linear {
    TensorName weight, input, output;
    std::int64_t weight_layer, layer;
    std::int64_t in, out;
  };

  /// Tensors around the backward pass of a column-parallel Linear.
  struct GradientPath {
    TensorId input, input_full;  ///< its input's shard, and where it is gathered
    TensorId gradient;           ///< of its output
    TensorId to, to_full;        ///< gradient of its input, and its partial sums before reduction
  };

  [[nodiscard]] bool sequence_parallel() const;

  [[nodiscard]] bool tensor_parallel() const { return job_.layout.tensor > 1; }

  [[nodiscard]] KernelKey rows_key(KernelOp op, std::int64_t rows, std::int64_t columns) const;
  [[nodiscard]] KernelKey heads_key(KernelOp op) const;
  [[nodiscard]] KernelKey attention_key(KernelOp op) const;
  [[nodiscard]] KernelKey table_key(KernelOp op, std::int64_t tokens, std::int64_t rows) const;
  [[nodiscard]] WorkItem tensor_collective(Part part,
                                           Collective op,
                                           TensorId from,
                                           TensorId to) const;
  [[nodiscard]] WorkItem grid_collective(
      Part part, CollectiveKey key, GroupKind group, TensorId from, TensorId to) const;

  void norm_forward(std::vector<WorkItem>& items, const Norm3& norm, Part part) const;
  void norm_backward(std::vector<WorkItem>& items,
                     const Norm3& norm,
                     TensorId gradient_in,
                     TensorId gradient_out) const;
  /// With SP, gathers `shard` into `full` over the tensor group; else nothing: `gathered` says
  /// which of the two to read.
  void gather(std::vector<WorkItem>& items, TensorId shard, TensorId full, Part part) const;
  /// Sums partial results over the tensor group: reduce-scatter with SP, all-reduce without.
  void reduce(std::vector<WorkItem>& items, TensorId from, TensorId whole, Part part) const;
  [[nodiscard]] TensorId gathered(TensorId shard, TensorId full) const;
  [[nodiscard]] TensorId partial(TensorId whole, TensorId full) const;

  void linear_forward(std::vector<WorkItem>& items, const Linear& linear, Part part) const;
  /// dgrad then wgrad; `gradient` is that of the output.
  void linear_dgrad(std::vector<WorkItem>& items,
                    const Linear& linear,
                    TensorId gradient,
                    TensorId to) const;
  void linear_wgrad(std::vector<WorkItem>& items, const Linear& linear, TensorId gradient) const;
  /// Gather of the input under dgrad, dgrad, wgrad, reduction of dX under wgrad.
  void input_gradient(std::vector<WorkItem>& items,
                      const Linear& linear,
                      const GradientPath& path) const;
  static void add_bias(
      std::vector<WorkItem>& items, TensorId bias, TensorId rows, KernelKey key, Part part);

  void attention_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void mlp_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void mlp_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void attention_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void attention_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const;

  [[nodiscard]] Linear qkv_linear(std::int64_t layer) const;
  [[nodiscard]] Linear out_linear(std::int64_t layer) const;
  [[nodiscard]] Linear up_linear(std::int64_t layer) const;
  [[nodiscard]] Linear down_linear(std::int64_t layer) const;
  [[nodiscard]] Linear head_linear() const;
  [[nodiscard]] static Norm3 norm1(std::int64_t layer);
  [[nodiscard]] static Norm3 norm2(std::int64_t layer);
  [[nodiscard]] Norm3 final_norm() const;

  const Job& job_;
  ProcessGrid grid_;
  std::int64_t ranks_per_node_;
  DataType type_;
  MicroBatchSizes size_;
};

}  // namespace forerun
