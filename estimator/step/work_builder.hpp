// Turns layers into work items: the shapes of one micro-batch on one tensor rank, and the order in
// which Megatron issues their kernels and collectives (modelling.md 1.2).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "comm/process_grid.hpp"
#include "estimator/step/work_list.hpp"
#include "estimator/step/work_sizes.hpp"

namespace forerun {

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
  /// [r]: from stage r to r + 1, within a node or between nodes; the last: from p - 1 to 0. None
  /// without a pipeline.
  [[nodiscard]] std::vector<BoundaryWork> boundaries() const;

  /// ZeRO-3: weights from their shards, each of `units` (elements) on its own.
  void gather_units(std::vector<WorkItem>& items,
                    std::int64_t layer,
                    const std::vector<std::int64_t>& units) const;
  void gather_experts(std::vector<WorkItem>& items,
                      std::int64_t layer,
                      std::int64_t elements) const;
  void reduce_layer_experts(std::vector<WorkItem>& items,
                            std::int64_t layer,
                            std::int64_t elements) const;
  /// The layer's gradients to their shards, where they are reduced after every micro-batch.
  void reduce_layer(std::vector<WorkItem>& items, std::int64_t layer, std::int64_t elements) const;

 private:
  void reduce_gradients(std::vector<WorkItem>& items,
                        const StageWeights& weights,
                        std::int64_t stage) const;
  void sum_copies(std::vector<WorkItem>& items,
                  const StageWeights& weights,
                  std::int64_t stage) const;
  /// What the software does with reduced gradients before the update: to fp32, unscaled, clipped.
  void condition_gradients(std::vector<WorkItem>& items,
                           std::int64_t elements,
                           std::int64_t expert_elements) const;
  void update_weights(std::vector<WorkItem>& items, const StageWeights& weights) const;
  [[nodiscard]] std::int64_t gradient_ranks() const;
  [[nodiscard]] bool has_master_weights() const;
  /// Where ranks keep no more of the gradients than their shards (`state_shards`).
  [[nodiscard]] bool reduces_every_micro_batch() const;
  [[nodiscard]] DataType format_of(GradientFormat format) const;

  /// The ranks that share one set of shards, and, with HSDP, those that hold the same shard, over
  /// which what the sets have reduced is summed; else `replicas` is of one rank.
  struct ShardGroups {
    GroupShape shards;
    GroupShape replicas;
  };

  [[nodiscard]] ShardGroups shard_groups() const;
  /// `elements` of the rank's weights in `type`, over the ranks that hold the same ones.
  [[nodiscard]] WorkItem weights_collective(Collective op,
                                            DataType type,
                                            std::int64_t elements,
                                            TensorId tensor,
                                            GroupKind group = GroupKind::data_context) const;

  struct Norm3 {
    TensorName weight{}, bias{}, input{}, output{}, stats{};
    std::int64_t weight_layer = 0, layer = 0;
  };

  struct Linear {
    TensorName weight{}, input{}, output{};
    std::int64_t weight_layer = 0, layer = 0;
    std::int64_t in = 0, out = 0;
    std::int64_t rows = 0;  ///< 0: all tokens
  };

  /// Tensors around the backward pass of a column-parallel Linear.
  struct GradientPath {
    TensorId input, input_full;  ///< its input's shard, and where it is gathered
    TensorId gradient;           ///< of its output
    TensorId to, to_full;        ///< gradient of its input, and its partial sums before reduction
  };

  [[nodiscard]] bool sequence_parallel() const;
  [[nodiscard]] std::int64_t rows_of(const Linear& linear) const;
  /// Whether each rank of a stage finds its partner in the other on its own node.
  [[nodiscard]] bool stays_on_node(std::int64_t stage, std::int64_t other) const;

  [[nodiscard]] bool tensor_parallel() const { return job_.layout.tensor > 1; }

  [[nodiscard]] KernelKey rows_key(KernelOp op, std::int64_t rows, std::int64_t columns) const;
  [[nodiscard]] KernelKey heads_key(KernelOp op) const;
  [[nodiscard]] KernelKey rope_key(KernelOp op) const;
  [[nodiscard]] KernelKey attention_key(KernelOp op, std::int64_t layer) const;
  /// One row for each query of each head, as long as its scores.
  [[nodiscard]] KernelKey score_rows_key(KernelOp op) const;
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

  [[nodiscard]] bool has_rope(std::int64_t layer) const;
  /// The activation of the FFN; `forward` or its gradient.
  [[nodiscard]] KernelOp activation_op(bool forward) const;
  /// The activation's gradient and that of the bias before it.
  void activation_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  /// Where outputs have norms: the norm, and what it puts out; else nothing but `norm`'s input.
  TensorId post_norm_forward(std::vector<WorkItem>& items, const Norm3& norm, Part part) const;
  /// The gradient of what `post_norm_forward` read, from that of what it returned.
  TensorId post_norm_backward(std::vector<WorkItem>& items,
                              const Norm3& norm,
                              TensorId arriving) const;
  /// The logits with bias and cap, and the gradient of the head's product from theirs.
  TensorId finish_logits(std::vector<WorkItem>& items) const;
  void logits_backward(std::vector<WorkItem>& items) const;
  [[nodiscard]] TensorId scored_logits() const;
  /// How the loss is taken: in fp32 training there is no other format to go through.
  [[nodiscard]] CrossEntropy cross_entropy() const;
  /// The tensor that the loss reads and its gradient overwrites.
  [[nodiscard]] TensorId scored_by(CrossEntropy method) const;
  void parallel_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void parallel_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void one_norm_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void two_norms_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void share_key_value_gradients(std::vector<WorkItem>& items, const StageWeights& weights) const;

  void attention_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  /// From packed q, k, v to weighted values: one kernel, or those that store the scores.
  void attention_core_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void unfused_core_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void unfused_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void activation_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;

  /// Bias, dropout where the software has it, and the sum with the residual stream.
  struct Residual {
    TensorName bias{}, branch{}, mask{};
    TensorId stream, sum;
    bool has_bias = false;
    Norm3 post_norm{};
  };

  void residual_forward(std::vector<WorkItem>& items,
                        const Residual& residual,
                        std::int64_t layer,
                        Part part) const;
  /// The gradient that reaches the branch; `arriving` unless a dropout lies between.
  [[nodiscard]] TensorId residual_backward(std::vector<WorkItem>& items,
                                           const Residual& residual,
                                           std::int64_t layer,
                                           TensorId arriving) const;
  /// Norm backward and the sum with the gradient that passes beside it.
  void norm_and_sum_backward(std::vector<WorkItem>& items,
                             const Norm3& norm,
                             TensorId gradient,
                             TensorId beside,
                             TensorId sum) const;
  [[nodiscard]] bool has_dropout(bool has_bias) const;
  [[nodiscard]] bool fuses_bias_gelu() const;
  [[nodiscard]] bool recomputes(bool RecomputeModules::*module) const;
  void mlp_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void mlp_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void dense_backward(std::vector<WorkItem>& items, std::int64_t layer, TensorId arriving) const;
  void mixer_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void ffn_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  /// The residual stream between the layer's halves.
  [[nodiscard]] TensorId middle(std::int64_t layer) const;
  void mixer_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void attention_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void attention_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const;

  struct LatentNorm {
    TensorName weight, input, output, stats;
    std::int64_t width;
  };

  /// From norm1 to what attention puts out, and back from there to the gradient of norm1.
  void latent_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void latent_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void latent_norm(std::vector<WorkItem>& items,
                   const LatentNorm& norm,
                   std::int64_t layer,
                   Part part,
                   std::int64_t rows) const;
  void latent_norm_backward(std::vector<WorkItem>& items,
                            const LatentNorm& norm,
                            std::int64_t layer,
                            std::int64_t rows) const;
  void exchange_latents(std::vector<WorkItem>& items,
                        Collective op,
                        std::int64_t width,
                        TensorId from,
                        TensorId to,
                        Part part) const;
  [[nodiscard]] KernelKey latent_key(KernelOp op) const;
  /// Gradient of a projection from a latent to heads, down to the latent's own part of the tokens.
  void latent_up_backward(std::vector<WorkItem>& items,
                          const Linear& linear,
                          TensorName whole,
                          TensorName own) const;
  [[nodiscard]] LatentNorm query_norm() const;
  [[nodiscard]] LatentNorm kv_norm() const;
  [[nodiscard]] Linear query_down(std::int64_t layer) const;
  [[nodiscard]] Linear query_up(std::int64_t layer) const;
  [[nodiscard]] Linear kv_down(std::int64_t layer) const;
  [[nodiscard]] Linear kv_up(std::int64_t layer) const;

  /// Columns of a wider tensor as tensors of their own, or back. Frameworks read them in place.
  struct Column {
    TensorName name;
    std::int64_t width;
  };

  void split_columns(std::vector<WorkItem>& items,
                     TensorId wide,
                     std::int64_t rows,
                     const std::vector<Column>& columns,
                     Part part) const;
  void join_columns(std::vector<WorkItem>& items,
                    TensorId wide,
                    std::int64_t rows,
                    const std::vector<Column>& columns) const;
  /// A Mamba or DeltaNet layer from norm1 to what its output projection reads, and back.
  void scan_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void scan_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void scan_inputs_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void scan_inputs_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void scan_core_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void scan_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  /// The three vectors that scans read in fp32.
  [[nodiscard]] std::vector<TensorId> scan_constants(std::vector<WorkItem>& items,
                                                     std::int64_t layer,
                                                     Part part) const;
  void delta_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void delta_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void gated_norm(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void gated_norm_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  void convolve(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void convolve_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  [[nodiscard]] std::vector<Column> projected_columns(std::int64_t layer) const;
  [[nodiscard]] std::vector<Column> convolved_columns(std::int64_t layer) const;
  [[nodiscard]] std::vector<Column> scan_input_columns() const;
  [[nodiscard]] std::vector<LatentNorm> scan_input_norms() const;
  [[nodiscard]] KernelKey scan_key(bool is_forward, std::int64_t layer) const;
  [[nodiscard]] KernelKey gated_norm_key(KernelOp op, std::int64_t layer) const;
  [[nodiscard]] KernelKey conv_key(KernelOp op, std::int64_t layer) const;
  [[nodiscard]] std::vector<TensorId> scan_operands(std::int64_t layer) const;
  [[nodiscard]] Linear mixer_in_linear(std::int64_t layer) const;
  [[nodiscard]] Linear mixer_beta_linear(std::int64_t layer) const;
  [[nodiscard]] Linear scan_inputs_linear(std::int64_t layer) const;
  [[nodiscard]] Linear step_linear(std::int64_t layer) const;
  [[nodiscard]] Linear gate_linear(std::int64_t layer) const;
  [[nodiscard]] Linear shared_gate_linear(std::int64_t layer) const;
  [[nodiscard]] Mixer mixer_of(std::int64_t layer) const;
  /// Two projections of one input: as `input_gradient`, their input's gradients added first.
  void two_input_gradients(std::vector<WorkItem>& items,
                           const Linear& first,
                           const Linear& second,
                           const GradientPath& path) const;
  [[nodiscard]] static WorkItem cast_to_fp8(
      Part part, TensorId from, DataType type, std::int64_t rows, std::int64_t columns);
  void fp8_forward(std::vector<WorkItem>& items, const Linear& linear, Part part) const;
  void fp8_dgrad(std::vector<WorkItem>& items,
                 const Linear& linear,
                 TensorId gradient,
                 TensorId to) const;
  void cast_gathered_input(std::vector<WorkItem>& items, const Linear& linear) const;
  [[nodiscard]] WorkItem fp8_wgrad(const Linear& linear, TensorId gradient, TensorId to) const;
  void cast_weights(std::vector<WorkItem>& items, const StageWeights& weights) const;

  /// The parts of attention that one rank of a context group works on.
  enum class ContextPiece { own, foreign, early, late };

  /// Of a context group: those that exchange heads for tokens, times those of a ring.
  struct ContextRanks {
    std::int64_t heads;
    std::int64_t ring;
  };

  [[nodiscard]] ContextRanks context_ranks() const;

  void context_core_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void context_core_backward(std::vector<WorkItem>& items, std::int64_t layer) const;
  static void own_attention_forward(std::vector<WorkItem>& items,
                                    const KernelKey& key,
                                    std::int64_t layer,
                                    Part part);
  static void own_attention_backward(std::vector<WorkItem>& items,
                                     const KernelKey& key,
                                     std::int64_t layer);
  void ring_pass(std::vector<WorkItem>& items,
                 std::int64_t layer,
                 Part part,
                 Part exchange,
                 bool is_backward) const;
  void exchange_heads(std::vector<WorkItem>& items, std::int64_t layer, Part exchange) const;
  void exchange_outputs(std::vector<WorkItem>& items, std::int64_t layer, Part exchange) const;
  static void context_kernel(std::vector<WorkItem>& items,
                             const KernelKey& key,
                             std::int64_t layer,
                             Part part);
  [[nodiscard]] WorkItem context_collective(
      Part part, Collective op, std::int64_t elements, TensorId from, TensorName to) const;
  [[nodiscard]] KernelKey context_key(KernelOp op, std::int64_t layer, ContextPiece piece) const;
  [[nodiscard]] std::int64_t local_sequence() const;
  [[nodiscard]] std::int64_t key_value_elements() const;
  [[nodiscard]] std::int64_t value_head_size() const;
  [[nodiscard]] TensorId kept_keys(std::int64_t layer) const;

  /// One product of every expert held here.
  struct Grouped {
    TensorId weight, input, output;
    std::int64_t in = 0, out = 0;
  };

  /// How the rows that experts work on lie before they are sorted by expert.
  enum class ExpertOrder { as_permuted, as_dispatched, on_arrival };

  void experts_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  /// From the gradient of the FFN's output to that of norm2.
  void experts_backward(std::vector<WorkItem>& items,
                        std::int64_t layer,
                        TensorId arriving,
                        TensorId to) const;
  void route_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void route_backward(std::vector<WorkItem>& items, std::int64_t layer, TensorId to) const;
  void share_ends(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void routed_backward(std::vector<WorkItem>& items, std::int64_t layer, TensorId arriving) const;
  void expert_activation_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void shared_forward(std::vector<WorkItem>& items, std::int64_t layer, Part part) const;
  void shared_backward(std::vector<WorkItem>& items, std::int64_t layer, TensorId arriving) const;
  TensorId shared_gate_backward(std::vector<WorkItem>& items,
                                std::int64_t layer,
                                TensorId arriving) const;
  [[nodiscard]] std::int64_t parts_that_exchange() const;
  // NOLINTNEXTLINE(readability-function-size): what a sum over the tensor group needs
  void sum_parts(std::vector<WorkItem>& items,
                 TensorId id,
                 std::int64_t columns,
                 DataType type,
                 Part part) const;
  [[nodiscard]] bool exchanges_by_node() const;
  void exchange_by_node(
      std::vector<WorkItem>& items, TensorId from, TensorId to, Part part, bool gives_back) const;
  void dispatch(std::vector<WorkItem>& items, TensorId from, TensorId to, Part part) const;
  void give_back(std::vector<WorkItem>& items, TensorId from, TensorId to, Part part) const;
  void grouped_forward(std::vector<WorkItem>& items,
                       const Grouped& grouped,
                       std::int64_t layer,
                       Part part) const;
  void grouped_backward(std::vector<WorkItem>& items,
                        const Grouped& grouped,
                        std::int64_t layer,
                        TensorId to) const;
  [[nodiscard]] static WorkItem routed(Part part, KernelKey key, std::vector<TensorId> operands);
  [[nodiscard]] KernelKey router_key(KernelOp op) const;
  [[nodiscard]] KernelKey permute_key(KernelOp op) const;
  [[nodiscard]] KernelKey arrival_key(KernelOp op) const;
  [[nodiscard]] KernelKey grouped_key(const Grouped& grouped, GemmLayout layout) const;
  [[nodiscard]] Grouped expert_up(std::int64_t layer) const;
  [[nodiscard]] Grouped expert_down(std::int64_t layer) const;
  [[nodiscard]] Linear router_linear(std::int64_t layer) const;
  /// Where routed experts are narrower than the model: a token's own way there and back.
  [[nodiscard]] Linear latent_in_linear(std::int64_t layer) const;
  [[nodiscard]] Linear latent_out_linear(std::int64_t layer) const;

  [[nodiscard]] bool has_expert_latent() const { return job_.model.moe->latent > 0; }

  /// The tokens that are copied for their experts, and the sum over a token's experts.
  [[nodiscard]] TensorId expert_source(std::int64_t layer) const;
  [[nodiscard]] TensorId expert_sum(std::int64_t layer) const;
  [[nodiscard]] Linear shared_up_linear(std::int64_t layer) const;
  [[nodiscard]] Linear shared_down_linear(std::int64_t layer) const;
  [[nodiscard]] ExpertOrder expert_order() const;
  [[nodiscard]] bool exchanges_tokens() const;
  [[nodiscard]] TensorName arrived(TensorName permuted) const;
  [[nodiscard]] TensorId ends_here(std::int64_t layer) const;
  [[nodiscard]] TensorId combined(std::int64_t layer) const;
  /// Whether a weight's gradient is added up by the product that forms it.
  [[nodiscard]] bool fuses_accumulation() const;
  /// Else: the micro-batch's gradient into the sum.
  void accumulate_update(std::vector<WorkItem>& items,
                         TensorId update,
                         TensorId weight,
                         std::int64_t rows,
                         std::int64_t columns) const;

  [[nodiscard]] Residual attention_residual(std::int64_t layer) const;
  [[nodiscard]] Residual mlp_residual(std::int64_t layer) const;
  [[nodiscard]] Linear qkv_linear(std::int64_t layer) const;
  [[nodiscard]] Linear out_linear(std::int64_t layer) const;
  [[nodiscard]] Linear up_linear(std::int64_t layer) const;
  [[nodiscard]] Linear down_linear(std::int64_t layer) const;
  [[nodiscard]] Linear head_linear() const;
  [[nodiscard]] static Norm3 norm1(std::int64_t layer);
  [[nodiscard]] Norm3 norm2(std::int64_t layer) const;
  [[nodiscard]] static Norm3 post_norm1(std::int64_t layer);
  [[nodiscard]] static Norm3 post_norm2(std::int64_t layer);
  [[nodiscard]] static Norm3 embedding_norm();
  [[nodiscard]] Norm3 final_norm() const;

  const Job& job_;
  ProcessGrid grid_;
  std::int64_t ranks_per_node_;
  DataType type_;
  MicroBatchSizes size_;
  ExpertSizes experts_;
};

}  // namespace forerun
