// Costs and sizes of chunks, kept for every choice that they depend on and no other.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "estimator/plan/plan_subject.hpp"
#include "estimator/step/chunk_cost.hpp"
#include "estimator/step/memory.hpp"
#include "estimator/step/teacher.hpp"
#include "estimator/step/work_builder.hpp"

namespace forerun {

/// Whether the job exchanges weights or gradients over its replicas within every micro-batch.
[[nodiscard]] bool shards_every_micro_batch(const Job& job);

/// What the parts of one family of jobs cost and hold. Not to be moved: it refers to itself.
class PartTable {
 public:
  PartTable(Job job, const PlanSubject& subject, Pricing& off, Pricing& on);
  PartTable(const PartTable&) = delete;
  PartTable& operator=(const PartTable&) = delete;
  PartTable(PartTable&&) = delete;
  PartTable& operator=(PartTable&&) = delete;
  ~PartTable() = default;

  /// The member of the family that is asked for next: pipeline and schedule.
  void take(const Job& job);

  [[nodiscard]] const ChunkCost& cost(const ChunkContent& content, Overlap overlap);

  /// Of the teacher's chunk, where there is one: its forward pass.
  [[nodiscard]] ChunkPass taught(const ChunkContent& content, Overlap overlap) {
    return (overlap == Overlap::on ? *taught_on_ : *taught_off_).forward(content);
  }

  [[nodiscard]] ChunkMemory memory(const ChunkContent& content);

 private:
  using Known = std::unordered_map<std::uint64_t, ChunkCost>;

  [[nodiscard]] std::uint64_t key_of(const ChunkContent& content) const;

  Job job_;
  bool layers_are_alike_;
  WorkBuilder builder_;
  PartWorks works_;
  ChunkCosts off_;
  ChunkCosts on_;
  ChunkMemories whole_;
  ChunkMemories split_;
  std::array<Known, 2> known_;  ///< [overlap]: costs by content
  std::optional<TeacherCosts> taught_off_;
  std::optional<TeacherCosts> taught_on_;
};

class PartTables {
 public:
  explicit PartTables(const PlanSubject& subject);

  /// The table of a legal job. Its family shares tp, cp, ep, etp, micro-batch, sequence parallelism
  /// and the modules that are recomputed, and what is offloaded; where it shards in every
  /// micro-batch also dp and the sharding, and where ranks are not numbered in Megatron's order the
  /// whole layout: there the place of a tensor group depends on the others.
  [[nodiscard]] PartTable& of(const Job& job);

  /// Remembers prices of keys.
  [[nodiscard]] Pricing& pricing(Overlap overlap) { return overlap == Overlap::on ? on_ : off_; }

 private:
  using Key = std::
      tuple<ParallelLayout, std::int64_t, SequenceParallel, int, ZeroStage, std::int64_t, Offload>;
  [[nodiscard]] Key key_of(const Job& job) const;

  const PlanSubject& subject_;
  Pricing off_;
  Pricing on_;
  std::map<Key, std::unique_ptr<PartTable>> tables_;
};

/// RecomputeModules as bits, and back.
[[nodiscard]] int bits_of(const RecomputeModules& modules);
[[nodiscard]] RecomputeModules modules_of(int bits);

}  // namespace forerun
