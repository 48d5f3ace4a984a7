#include "estimator/plan/search_bound.hpp"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

#include "estimator/plan/parallel_walk.hpp"
#include "jobs/parameter_count.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::size_t fewest_to_halve = 200;

// Layouts that hold weights and gradients, the least split first: where the best of them are found
// early, the others are given up early. Any order gives the same bound.
void put_likely_first(const PlanSubject& subject, std::vector<ParallelLayout>& layouts) {
  constexpr double bytes_per_parameter = 6.0;  // weights in two bytes, gradients in four
  const Bytes all =
      bytes_per_parameter * static_cast<double>(count_parameters(subject.model).total) * unit::byte;
  const auto order = [&](const ParallelLayout& layout) {
    const std::int64_t split = layout.tensor * layout.pipeline * layout.expert;
    const bool is_too_large = all / static_cast<double>(split) > subject.capacity;
    return std::tuple(is_too_large, split * layout.context, layout.virtual_pipeline);
  };
  std::ranges::stable_sort(layouts, {}, order);
}

}  // namespace

Seconds bound_of(const PlanSubject& subject,
                 const SearchSpace& space,
                 std::size_t count,
                 std::size_t threads,
                 ThreadTables* tables) {
  SearchSpace thin = space;
  const auto only = [](auto& values, const auto& kept) {
    if (std::ranges::find(values, kept) != values.end()) {
      values = {kept};
    }
  };
  only(thin.shardings, Sharding{ZeroStage::optimizer, 0});
  only(thin.sequence_parallel, SequenceParallel::on);
  only(thin.overlaps, Overlap::on);
  only(thin.offloads, Offload());
  thin.recompute.every_block = false;
  thin.recompute.least_by_stage = false;
  thin.stage_splits.resize(1);
  thin.micro_batches.resize(1);
  put_likely_first(subject, thin.layouts);
  if (thin.layouts.size() > fewest_to_halve) {
    thin.layouts.resize(thin.layouts.size() / 2);  // the rest is split more than it has to be
  }
  const SearchResult result =
      walk_layouts(subject,
                   thin,
                   thin.layouts,
                   {.kept = count, .threads = threads, .progress = {}, .tables = tables});
  const auto best = fastest(result, count);
  return best.size() == count ? best.back().step_time : Seconds::infinite();
}

}  // namespace forerun
