#include "estimator/plan/walk_tables.hpp"

namespace forerun {
namespace {

// Programs that are kept, in steps of 16 bytes: a quarter of a gigabyte.
constexpr std::size_t most_kept_steps = 16'000'000;

}  // namespace

const PipelineProgram& PipelinePrograms::of(Schedule schedule, const PipelineShape& shape) {
  const auto found = programs_.find({schedule, shape});
  if (found != programs_.end()) {
    return found->second;
  }
  if (steps_ > most_kept_steps) {
    programs_.clear();
    steps_ = 0;
  }
  PipelineProgram made = pipeline_program(schedule, shape);
  steps_ += made.steps.size();
  return programs_.emplace(std::pair{schedule, shape}, std::move(made)).first->second;
}

void ThreadTables::prepare(std::size_t threads) {
  while (tables_.size() < threads) {
    tables_.push_back(std::make_unique<WalkTables>(subject_));
  }
}

}  // namespace forerun
