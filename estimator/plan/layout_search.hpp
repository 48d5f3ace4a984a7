// Walks a search space layout by layout: rejects by rule and by memory, prices the rest to a full
// step time by the same functions that `estimate_step` calls, keeping what many candidates share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "estimator/plan/part_tables.hpp"
#include "estimator/plan/plan_subject.hpp"
#include "estimator/plan/recomputed_stages.hpp"
#include "estimator/plan/search_result.hpp"
#include "estimator/plan/search_space.hpp"
#include "estimator/plan/stage_tables.hpp"
#include "estimator/plan/walk_tables.hpp"
#include "estimator/step/pipeline_program.hpp"
#include "estimator/step/pipeline_simulation.hpp"

namespace forerun {

class LayoutSearch {
 public:
  /// Both must outlive the search.
  LayoutSearch(const PlanSubject& subject, const SearchSpace& space);
  /// With tables of the same subject, that must outlive it too.
  LayoutSearch(const PlanSubject& subject, const SearchSpace& space, WalkTables& tables);

  /// Every candidate of one layout. Candidates whose pipeline cannot end before `give_up_at` are
  /// not priced.
  void walk(const ParallelLayout& layout, Seconds give_up_at, SearchResult& result);

  /// The job of a candidate.
  [[nodiscard]] Job job_of(const Candidate& candidate) const;

 private:
  /// What is left to price of one candidate when its pipeline has run.
  struct Finish {
    std::size_t sharding = 0;
    Bytes memory;
  };

  /// All passes of one micro-batch through a stage of a group.
  struct GroupCover {
    std::uint32_t stage_class = 0;
    Cover forward;
    Cover backward;
  };

  /// Candidates whose passes take the same time: they differ by sharding.
  struct Variant {
    SequenceParallel sequence_parallel = SequenceParallel::on;
    RecomputePolicy recompute;
    Overlap overlap = Overlap::on;
    Offload offload;
    std::vector<Finish> finishes;
    std::vector<GroupCover> groups;
    std::vector<std::uint32_t> group_of;  ///< [stage]: index in `groups`
  };

  struct Batch {
    std::vector<Variant> variants;
    std::vector<PipelineCosts> costs;
    std::size_t used = 0;
  };

  /// One layout with one schedule and micro-batch. Shardings and peaks are those of the sequence
  /// parallelism and the offloading at hand.
  struct Cell {
    std::vector<RecomputePolicy> policies;
    bool chooses_by_stage = false;  ///< beside the policies
    const PipelineProgram* program = nullptr;
    std::int64_t per_chunk = 0;  ///< micro-batches
    bool repeats_split = false;  ///< an earlier one cuts the layers alike
    Seconds give_up_at;
    SearchResult* result = nullptr;
    std::vector<std::size_t> shardings;
    std::vector<std::vector<ActivationPeak>> block_peaks;  ///< [recomputed layers][stage]

    [[nodiscard]] std::int64_t recomputations() const {
      return std::ssize(policies) + (chooses_by_stage ? 1 : 0);
    }
  };

  /// On the fullest device, and the fullest device's share of its host.
  struct Memory {
    Bytes device;
    Bytes host;
  };

  /// What each stage recomputes, and the most memory that one needs then.
  struct StageBlocks {
    std::vector<std::int64_t> layers;
    Memory memory;
    bool is_too_slow = false;
  };

  void walk_schedule(std::int64_t candidates, Seconds give_up_at, SearchResult& result);
  void walk_cell(Cell& cell);
  void walk_passes(Cell& cell);
  [[nodiscard]] std::vector<std::size_t> legal_shardings(const Cell& cell);
  void walk_policies(Cell& cell, StageTables& stages);
  void walk_policy(Cell& cell, StageTables& stages, const RecomputedStages& chunks);
  void walk_by_stage(Cell& cell, StageTables& stages);
  [[nodiscard]] StageBlocks least_blocks(Cell& cell, StageTables& stages, std::size_t sharding);
  [[nodiscard]] bool is_too_slow(const Cell& cell,
                                 const StageTables& stages,
                                 std::uint32_t stage_class,
                                 std::int64_t layers);
  [[nodiscard]] const std::vector<ActivationPeak>& block_peaks(Cell& cell,
                                                               StageTables& stages,
                                                               std::int64_t layers);
  [[nodiscard]] std::vector<ActivationPeak> peaks_of(const Cell& cell,
                                                     const RecomputedStages& chunks);
  /// Valid until the next is asked for.
  [[nodiscard]] const ChunkCost& cost_of(PartTable& table,
                                         const ChunkContent& content,
                                         const ChunkContent* taught,
                                         Overlap overlap);
  [[nodiscard]] Seconds least_step(const Cell& cell, const RecomputedStages& chunks);
  [[nodiscard]] Seconds least_time(const PassCosts& passes, Pass pass) const;
  void add_variants(Cell& cell,
                    const RecomputedStages& chunks,
                    Overlap overlap,
                    const std::vector<Finish>& fitting);
  void add_variant(Cell& cell,
                   const RecomputedStages& chunks,
                   Overlap overlap,
                   std::vector<Finish> finishes);
  void run(Cell& cell, Batch& batch);
  void finish(Cell& cell, const Variant& variant, std::span<const StageTimes> times);
  [[nodiscard]] Schedule plain_schedule() const;
  [[nodiscard]] StageTables& stages();
  [[nodiscard]] bool repeats_split() const;
  void choose(std::size_t sharding);

  [[nodiscard]] Memory memory_of(const StageMemory& state,
                                 const StageClass& stages,
                                 const ActivationPeak& peak) const;
  [[nodiscard]] Memory memory_of(StageTables& stages,
                                 std::size_t sharding,
                                 std::span<const ActivationPeak> peaks);
  [[nodiscard]] bool fits(const Memory& memory) const;
  void reject_memory(Cell& cell, std::size_t sharding, const Memory& memory);
  [[nodiscard]] Candidate candidate_of(const Variant& variant, std::size_t sharding) const;

  const PlanSubject& subject_;
  const SearchSpace& space_;
  std::unique_ptr<WalkTables> own_;
  PartTables& tables_;
  PipelinePrograms& programs_;
  Job job_;                          ///< the candidate at hand, as far as it is chosen
  std::vector<Sharding> shardings_;  ///< of the layout at hand
  std::map<std::tuple<ChunkPlacement, SequenceParallel, Offload>, std::unique_ptr<StageTables>>
      stages_;
  PipelineScratch scratch_;
  Batch blocking_;
  Batch overlapped_;
  ChunkCost with_teacher_;
  std::vector<Seconds> messages_;
  std::int64_t message_bytes_ = 0;
  MemoryOverheads overheads_;
  int stage_split_ = 0;  ///< of the space's, at hand
};

}  // namespace forerun
