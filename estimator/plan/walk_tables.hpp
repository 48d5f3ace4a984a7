// What walks of one subject can share, whatever their spaces.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "estimator/plan/part_tables.hpp"
#include "estimator/step/pipeline_program.hpp"

namespace forerun {

/// Pipeline programs, as many as have room.
class PipelinePrograms {
 public:
  /// Valid until the next is asked for.
  [[nodiscard]] const PipelineProgram& of(Schedule schedule, const PipelineShape& shape);

 private:
  std::map<std::pair<Schedule, PipelineShape>, PipelineProgram> programs_;
  std::size_t steps_ = 0;
};

/// Of one thread.
struct WalkTables {
  explicit WalkTables(const PlanSubject& subject) : parts(subject) {}

  PartTables parts;
  PipelinePrograms programs;
};

/// Of every thread of a process; they outlive the walks, so that a second one finds them filled.
class ThreadTables {
 public:
  explicit ThreadTables(const PlanSubject& subject) : subject_(subject) {}

  /// Makes those of the first `threads` threads; not to be called while they walk.
  void prepare(std::size_t threads);

  [[nodiscard]] WalkTables& of(std::size_t thread) { return *tables_[thread]; }

 private:
  const PlanSubject& subject_;
  std::vector<std::unique_ptr<WalkTables>> tables_;
};

}  // namespace forerun
