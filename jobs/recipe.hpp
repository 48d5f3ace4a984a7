// How a model is trained, apart from how it is split: batch, sequence, precision, recomputation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/offload.hpp"
#include "jobs/software.hpp"
#include "jobs/stage_split.hpp"
#include "jobs/tuning.hpp"

namespace forerun {

enum class Precision { bf16, fp16, fp32, fp8, mxfp8, nvfp4 };
/// `selective` repeats the modules that the recipe names; `block` the first layers of each chunk.
enum class Recompute { none, selective, full, block };

/// Parts of a layer whose activations can be dropped and recomputed, as Megatron-Core's
/// --recompute-modules names them.
struct RecomputeModules {
  bool core_attention = true;      ///< core_attn: scores to weighted values
  bool norms = false;              ///< layernorm: both norms
  bool activation = false;         ///< mlp_act: the FFN's activation
  bool mlp = false;                ///< mlp: norm, up, activation
  bool expert_activation = false;  ///< moe_act: the experts' activation
  friend bool operator==(const RecomputeModules&, const RecomputeModules&) = default;
};
/// Pipeline schedules. The zero-bubble ones (zb_*, dualpipe*) split the backward pass in an input
/// and a weight part; zb_v and dualpipe_v fold the model in a V over the stages, dualpipe runs two
/// copies of it in opposite directions.
enum class Schedule {
  gpipe,
  one_f_one_b,
  interleaved,
  breadth_first,
  zb_h1,
  zb_h2,
  zb_v,
  dualpipe,
  dualpipe_v
};
/// 0: every data-parallel rank keeps and updates everything; 1: optimizer state is sharded; 2: so
/// are gradients, reduced after every micro-batch unless there is a pipeline; 3: so are weights,
/// gathered layer by layer (FSDP) (Rajbhandari et al. 2020, arXiv 1910.02054).
enum class ZeroStage { none = 0, optimizer = 1, gradients = 2, parameters = 3 };
enum class SequenceParallel { off, on };

/// How attention reaches over the ranks of a context group: keys and values travel in a ring
/// (Liu et al. 2023, arXiv 2310.01889), each rank holding an early and a late piece of the
/// sequence; are gathered; or heads are exchanged for tokens (Jacobs et al. 2023, arXiv
/// 2309.14509). `hierarchical`: heads are exchanged within a node, keys and values travel in a ring
/// over nodes (Fang, Zhao 2024, USP, arXiv 2405.07719; Megatron-Core's cp_comm_type a2a+p2p).
enum class ContextKind { ring, all_gather, ulysses, hierarchical };

/// How tokens reach their experts. `plain`: one copy for every expert, straight to its rank.
/// `hierarchical`: one copy for every node that holds one of the token's experts, and from there
/// to the ranks of the node (DeepEP; DeepSeek-V3, arXiv 2412.19437, section 3.2.2).
/// `node_limited`: the same, with a router that chooses experts on at most `nodes` nodes.
enum class DispatchKind { plain, hierarchical, node_limited };

struct ExpertDispatch {
  DispatchKind kind = DispatchKind::plain;
  std::int64_t nodes = 0;  ///< of `node_limited`; positive
  friend bool operator==(const ExpertDispatch&, const ExpertDispatch&) = default;
};

/// "plain", "hierarchical" or "node-limited:M". Nothing for any other text.
[[nodiscard]] std::optional<ExpertDispatch> expert_dispatch_from(std::string_view text);
[[nodiscard]] std::string text_of(const ExpertDispatch& dispatch);

/// How many tokens the router sends to each expert. `balanced`: equally many (benchmarks that force
/// it); `multinomial`: each token chooses at random; `power_law`: the experts' shares are drawn
/// from a truncated power law with exponent `alpha`, as loads of trained routers are
/// (modelling.md 1.2); `busiest`: the rank that the others wait for gets `factor` times an even
/// share, spread evenly over its experts, as a rehearsal or a log of the router says.
enum class LoadKind { balanced, multinomial, power_law, busiest };

struct ExpertLoad {
  LoadKind kind = LoadKind::balanced;
  double alpha = 0.0;   ///< of `power_law`; positive
  double factor = 1.0;  ///< of `busiest`; at least 1
  friend bool operator==(const ExpertLoad&, const ExpertLoad&) = default;
};

/// "balanced", "multinomial", "power-law:ALPHA" or "busiest:FACTOR". Nothing for any other text.
[[nodiscard]] std::optional<ExpertLoad> expert_load_from(std::string_view text);
[[nodiscard]] std::string text_of(const ExpertLoad& load);

/// What the backward pass recomputes.
struct RecomputePolicy {
  Recompute kind = Recompute::none;
  RecomputeModules modules = {};  ///< of `selective`
  std::int64_t layers = 0;        ///< of `block`: the first of each chunk
  /// Of `block`, where stages recompute differently many: of each chunk of each stage; else empty.
  std::vector<std::int64_t> by_stage = {};
  friend bool operator==(const RecomputePolicy&, const RecomputePolicy&) = default;
};

/// Layers that a chunk of so many recomputes on a stage, the first ones.
[[nodiscard]] std::int64_t recomputed_layers(const RecomputePolicy& policy,
                                             std::int64_t stage,
                                             std::int64_t layers);

/// "none", "selective" (core attention), "full", "block:N", "block:N+N+..." (by stage), or modules
/// joined by "+": core_attn, layernorm, mlp_act, mlp. Nothing for any other text.
[[nodiscard]] std::optional<RecomputePolicy> recompute_policy_from(std::string_view text);
[[nodiscard]] std::string text_of(const RecomputePolicy& policy);

struct Recipe {
  std::int64_t global_batch = 1;  ///< sequences per optimizer step
  std::int64_t micro_batch = 1;   ///< sequences
  std::int64_t sequence = 0;      ///< tokens
  Precision precision = Precision::bf16;
  /// The matrices of layers are kept and gathered in 8 bits alone, beside their fp32 masters
  /// (Megatron-Core's --fp8-param-gather).
  bool fp8_param_gather = false;
  RecomputePolicy recompute = {};
  Offload offload = {};
  ZeroStage zero = ZeroStage::optimizer;
  /// HSDP: ZeRO-3 shards over groups of this many ranks and replicates over the rest; 0: over all.
  std::int64_t shard_group = 0;
  /// ZeRO-3 keeps gathered weights from the forward to the backward pass.
  bool keeps_gathered_weights = false;
  SequenceParallel sequence_parallel = SequenceParallel::on;
  ExpertLoad expert_load = {};
  ExpertDispatch expert_dispatch = {};
  ContextKind context_kind = ContextKind::ring;
  std::optional<Schedule> schedule = std::nullopt;  ///< absent: 1f1b, interleaved when vp > 1
  std::optional<double> tokens = std::nullopt;      ///< of the whole run
  StageSplit stage_split = {};
  Software software = {};
  Tuning tuning = Tuning::full;
  Adapters adapters = {};  ///< of the other tunings
};

/// Whether products of layers read operands of 8 or 4 bits that are cast for them.
[[nodiscard]] bool has_narrow_products(Precision precision);

/// The spellings that the command line and JSON use ("bf16", "none", "1f1b", ...).
[[nodiscard]] std::string_view name_of(Precision precision);
[[nodiscard]] std::string_view name_of(Schedule schedule);
[[nodiscard]] std::string_view name_of(ContextKind kind);

/// The way back; nothing for any other spelling.
[[nodiscard]] std::optional<Precision> precision_from(std::string_view name);
[[nodiscard]] std::optional<Schedule> schedule_from(std::string_view name);

}  // namespace forerun
