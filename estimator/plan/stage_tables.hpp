// The stages of one layout, alike ones together, with what follows from layout, chunk placement,
// sequence parallelism, offloading and sharding alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "estimator/plan/candidate.hpp"
#include "estimator/plan/part_tables.hpp"
#include "estimator/step/part_work.hpp"
#include "estimator/step/stage_weights.hpp"
#include "estimator/step/tail_cost.hpp"
#include "estimator/step/teacher.hpp"

namespace forerun {

/// Stages that hold alike chunks and share the same fate at the pipeline's ends.
struct StageClass {
  std::int64_t stage = 0;              ///< one of them
  std::vector<std::uint32_t> content;  ///< by local chunk
  TeacherMemory teacher;               ///< but for its weights
};

class StageTables {
 public:
  /// `job`: legal, with the layout, schedule, sequence parallelism and offloading in question.
  StageTables(const Job& job, const PlanSubject& subject, std::span<const Sharding> shardings);

  /// Without what they recompute.
  [[nodiscard]] const std::vector<ChunkContent>& contents() const { return contents_; }

  /// The teacher's chunks that lie with them; empty without one.
  [[nodiscard]] const std::vector<ChunkContent>& taught() const { return taught_; }

  /// [stage * local chunks + local chunk]: index in `contents`.
  [[nodiscard]] const std::vector<std::uint32_t>& seats() const { return seats_; }

  [[nodiscard]] const std::vector<StageClass>& classes() const { return classes_; }

  /// [stage]: index in `classes`.
  [[nodiscard]] const std::vector<std::uint32_t>& class_of() const { return class_of_; }

  /// Weights, gradients and optimizer states of each class, the teacher's weights with them.
  [[nodiscard]] const std::vector<StageMemory>& states(std::size_t sharding);
  /// The tail of each class.
  [[nodiscard]] const std::vector<PricedTail>& tails(std::size_t sharding,
                                                     Overlap overlap,
                                                     PartTables& tables);

 private:
  struct PerSharding {
    std::vector<StageMemory> states;
    std::array<std::vector<PricedTail>, 2> tails;  ///< by overlap
  };

  [[nodiscard]] std::uint32_t content_index(const ChunkContent& content,
                                            const std::optional<ChunkContent>& taught);
  void add_stage(std::int64_t stage, std::vector<std::uint32_t> content);
  void choose(std::size_t sharding);
  /// Of each class; counted when first asked for, since most layouts are given up before.
  [[nodiscard]] const std::vector<StageWeights>& weights();

  Job job_;
  const PlanSubject& subject_;
  std::vector<Sharding> shardings_;
  bool layers_are_alike_ = true;
  std::vector<ChunkContent> contents_;
  std::vector<ChunkContent> taught_;
  std::vector<std::uint32_t> seats_;
  std::vector<StageClass> classes_;
  std::vector<StageWeights> weights_;
  std::vector<std::uint32_t> class_of_;
  std::vector<PerSharding> by_sharding_;
};

}  // namespace forerun
