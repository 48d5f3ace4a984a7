#include "estimator/plan/parallel_walk.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "units/unit.hpp"

namespace forerun {
namespace {

// Fewer are not worth a thread.
constexpr std::size_t least_layouts = 16;

// Neighbours that share most of their tables: one thread's.
std::vector<std::span<const ParallelLayout>> groups_of(std::span<const ParallelLayout> layouts) {
  std::vector<std::span<const ParallelLayout>> groups;
  std::size_t first = 0;
  for (std::size_t i = 1; i <= layouts.size(); ++i) {
    const bool ends = i == layouts.size() || layouts[i].tensor != layouts[first].tensor ||
                      layouts[i].context != layouts[first].context ||
                      layouts[i].pipeline != layouts[first].pipeline;
    if (ends) {
      groups.push_back(layouts.subspan(first, i - first));
      first = i;
    }
  }
  return groups;
}

// What all threads of a walk share.
class Walk {
 public:
  Walk(const PlanSubject& subject,
       const SearchSpace& space,
       std::span<const ParallelLayout> layouts,
       const WalkSettings& settings)
      : subject_(subject),
        space_(space),
        groups_(groups_of(layouts)),
        kept_(settings.kept),
        give_up_at_(settings.give_up_at.in(unit::second)) {}

  void run_one(WalkTables& tables, SearchResult& result, const WalkProgress& progress) {
    LayoutSearch search(subject_, space_, tables);
    for (std::size_t i = next_++; i < groups_.size(); i = next_++) {
      for (const ParallelLayout& layout : groups_[i]) {
        const std::int64_t before = result.enumerated;
        search.walk(layout, give_up_at_.load() * unit::second, result);
        lower_limit(result);
        const std::int64_t candidates = enumerated_ += result.enumerated - before;
        const std::int64_t layouts = ++walked_;
        if (progress) {
          progress(layouts, candidates);
        }
      }
    }
  }

 private:
  void lower_limit(const SearchResult& result) {
    if (kept_ == 0 || result.best.size() < kept_) {
      return;
    }
    const double found = fastest(result, kept_).back().step_time.in(unit::second);
    double known = give_up_at_.load();
    while (found < known && !give_up_at_.compare_exchange_weak(known, found)) {
    }
  }

  const PlanSubject& subject_;
  const SearchSpace& space_;
  std::vector<std::span<const ParallelLayout>> groups_;
  std::size_t kept_;
  std::atomic<double> give_up_at_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::int64_t> enumerated_ = 0;
  std::atomic<std::int64_t> walked_ = 0;
};

// Runs work(0) here and work(1) to work(count - 1) beside it; throws what the first of them threw.
void on_threads(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::vector<std::exception_ptr> failures(count);
  const auto run = [&](std::size_t i) {
    try {
      work(i);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < count; ++i) {
      others.emplace_back(run, i);
    }
    run(0);
  }
  const auto failed =
      std::ranges::find_if(failures, [](const auto& one) { return one != nullptr; });
  if (failed != failures.end()) {
    std::rethrow_exception(*failed);
  }
}

}  // namespace

SearchResult walk_layouts(const PlanSubject& subject,
                          const SearchSpace& space,
                          std::span<const ParallelLayout> layouts,
                          const WalkSettings& settings) {
  Walk walk(subject, space, layouts, settings);
  const std::size_t count =
      layouts.size() < least_layouts ? 1 : std::max<std::size_t>(settings.threads, 1);
  std::vector<SearchResult> results(count);
  ThreadTables own(subject);
  ThreadTables& tables = settings.tables != nullptr ? *settings.tables : own;
  tables.prepare(count);
  on_threads(count, [&](std::size_t i) {
    walk.run_one(tables.of(i), results[i], i == 0 ? settings.progress : WalkProgress());
  });
  SearchResult all = std::move(results.front());
  for (std::size_t i = 1; i < count; ++i) {
    all.merge(results[i]);
  }
  return all;
}

std::size_t search_threads() {
  constexpr unsigned most = 8;
  return std::clamp(std::thread::hardware_concurrency(), 1U, most);
}

}  // namespace forerun
