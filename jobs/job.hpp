// A job: model, recipe and layout together, and the checks that span them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/model_shape.hpp"
#include "jobs/parallel_layout.hpp"
#include "jobs/recipe.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct Job {
  ModelShape model;
  Recipe recipe;
  ParallelLayout layout;
  /// Distillation: a frozen model whose logits the trained one learns; it runs forward on the same
  /// ranks, split alike.
  std::optional<ModelShape> teacher = std::nullopt;
};

/// The job that the teacher's forward passes are of. There must be a teacher.
[[nodiscard]] Job teacher_job(const Job& job);

/// Trainable parameters: all of the model's, or those of its adapters.
[[nodiscard]] std::int64_t trained_parameters(const Job& job);

/// Model FLOP of one token of training, the convention of MFU: as model_flops_per_token where every
/// weight is trained. A frozen weight has no gradient of its own, which leaves two thirds of its
/// FLOP; a teacher runs forward only.
[[nodiscard]] Flops training_flops_per_token(const Job& job);

/// Micro-batches that each pipeline runs per step: global batch / (dp * micro-batch).
[[nodiscard]] std::int64_t micro_batches(const Job& job);

/// 1f1b unless the recipe says otherwise; interleaved when vp > 1.
[[nodiscard]] Schedule schedule_of(const Job& job);

/// Why the job cannot be laid out so, in one sentence that names the option; empty when it can:
/// heads, key-value heads (they divide tp or tp divides them) and ffn against tp, layers against
/// pp * vp, schedule against pp and vp, layers of each chunk against both, batch against dp *
/// micro-batch, micro-batches against the schedule (interleaved: at least pp; dualpipe: an even
/// number, at least 2 * pp), sequence against 2 * cp and (with sequence parallelism) tp, experts
/// against ep and etp, ep * etp against tp * cp
/// * dp, sequence beyond the learned positions. The vocabulary never refuses: it is padded.
[[nodiscard]] std::optional<std::string> illegal_because(const Job& job);

/// The same by rule, in the order in which they are checked: what the rules before read, those
/// after may too. heads, ffn, experts and layers read model and layout only.
enum class Rule {
  heads,
  ffn,
  experts,
  layers,
  schedule,
  stages,
  recompute,
  batch,
  sharding,
  sequence
};

struct BrokenRule {
  Rule rule = Rule::heads;
  std::string reason;
};

[[nodiscard]] std::optional<BrokenRule> broken_rule(const Job& job);
[[nodiscard]] std::string_view name_of(Rule rule);

/// The vocabulary rounded up to a multiple of 128 * tp (Megatron, make-vocab-size-divisible-by).
[[nodiscard]] std::int64_t padded_vocabulary(std::int64_t vocabulary, std::int64_t tensor_parallel);

}  // namespace forerun
