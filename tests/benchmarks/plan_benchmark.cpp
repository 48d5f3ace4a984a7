// How fast layouts are priced: whole searches, counters in candidates and priced layouts a second
// of one core.
#include <string>

#include <benchmark/benchmark.h>

#include "estimator/plan/layout_search.hpp"
#include "estimator/plan/search_bound.hpp"
#include "tests/estimator/plan/small_plan.hpp"

namespace forerun {
namespace {

/// As `plan` runs it on one rank; `top` 0: without giving up early.
void search(benchmark::State& state, SmallPlan plan, std::size_t top) {
  SearchResult result;
  for (auto _ : state) {
    ThreadTables tables(plan.subject);
    tables.prepare(1);
    const Seconds bound =
        top > 0 ? bound_of(plan.subject, plan.space, top, 1, &tables) : Seconds::infinite();
    LayoutSearch search(plan.subject, plan.space, tables.of(0));
    result = SearchResult();
    for (const ParallelLayout& layout : plan.space.layouts) {
      search.walk(layout, bound, result);
    }
    benchmark::DoNotOptimize(result.evaluated);
  }
  const auto runs = static_cast<double>(state.iterations());
  const auto rate = [&](std::int64_t count) {
    return benchmark::Counter(runs * static_cast<double>(count), benchmark::Counter::kIsRate);
  };
  state.counters["enumerated"] = static_cast<double>(result.enumerated);
  state.counters["evaluated"] = static_cast<double>(result.evaluated);
  state.counters["best_s"] =
      result.best.empty() ? 0.0 : fastest(result, 1).front().step_time / Seconds::from_base(1.0);
  state.counters["enumerated/s"] = rate(result.enumerated);
  state.counters["evaluated/s"] = rate(result.evaluated);
}

// Prices everything whatever its memory: what the pricing itself takes.
void price_all(benchmark::State& state, SmallPlan plan) {
  plan.subject.capacity = Bytes::infinite();
  search(state, std::move(plan), 0);
}

void whole_405b(benchmark::State& state) {
  search(state, small_plan("llama-3.1-405b", "dgx-h100", 16384, 2048, 8192), 5);
}

void price_all_405b(benchmark::State& state) {
  price_all(state, small_plan("llama-3.1-405b", "dgx-h100", 16384, 2048, 8192));
}

// The models of Calculon's published searches (Korthikanti et al. 2022, arXiv 2205.05198, table 3),
// on as many A100 and with as large a batch as devices, in the space that its search walks
// (calculon-ai/calculon, commit caa4b11, llm/optimal_execution.py): tp that divides the heads, pp
// and vp that divide the layers, any micro-batch, full, attention's and no recomputation, sharded
// optimizer or not, sequence parallelism, overlap, and all eight ways to offload. Counted as it
// does, with three kinds of tensor collectives and two networks for each dimension, these are
// 3,232,128 and 7,276,848 candidates; here each layout counts once.
SmallPlan race(std::int64_t layers, std::int64_t hidden, std::int64_t heads, std::int64_t devices) {
  SmallPlan plan = small_plan("gpt2", "dgx-a100", devices, devices, 2048);
  ModelShape& model = plan.subject.model;
  model.name = "race";
  model.layers = layers;
  model.hidden = hidden;
  model.ffn_hidden = 4 * hidden;
  model.attention.heads = heads;
  model.attention.kv_heads = heads;
  model.attention.head_size = hidden / heads;
  model.vocabulary = 51200;
  model.max_positions = 2048;
  model.tied_embeddings = true;
  plan.subject.host.link = host_link_of(*plan.hardware.cluster.host, 8);
  plan.subject.host_capacity = plan.hardware.cluster.host->size / 8.0;
  const SpaceLimits limits{.tensor = devices, .context = 1, .micro_batch = devices};
  SearchSpace& space = plan.space;
  space.layouts = every_layout(model, devices, limits);
  std::erase_if(space.layouts, [&](const ParallelLayout& layout) {
    return layers % (layout.pipeline * layout.virtual_pipeline) != 0 || heads % layout.tensor != 0;
  });
  space.micro_batches = every_micro_batch(devices, limits);
  space.schedules = {Schedule::one_f_one_b, Schedule::interleaved};
  space.shardings = {{ZeroStage::none, 0}, {ZeroStage::optimizer, 0}};
  space.recompute = {
      {{Recompute::none, {}, 0}, {Recompute::selective, {}, 0}, {Recompute::full, {}, 0}}, false};
  space.offloads = every_offload();
  return plan;
}

// As `plan` would: what does not fit is left out and what cannot win given up.
void win(benchmark::State& state, const SmallPlan& plan) {
  search(state, plan, 5);
  LayoutSearch everything(plan.subject, plan.space);
  SearchResult all;
  for (const ParallelLayout& layout : plan.space.layouts) {
    everything.walk(layout, Seconds::infinite(), all);
  }
  const double best = fastest(all, 1).front().step_time / Seconds::from_base(1.0);
  if (best != state.counters["best_s"]) {
    state.SkipWithError("the search missed the optimum of exhaustive pricing");
  }
}

void race_175b_on_64(benchmark::State& state) {
  price_all(state, race(96, 12288, 96, 64));
}

void race_1t_on_4096(benchmark::State& state) {
  price_all(state, race(128, 25600, 160, 4096));
}

void best_175b_on_64(benchmark::State& state) {
  win(state, race(96, 12288, 96, 64));
}

void best_1t_on_4096(benchmark::State& state) {
  win(state, race(128, 25600, 160, 4096));
}

void price_all_8b(benchmark::State& state) {
  price_all(state, small_plan("llama-3-8b", "dgx-h100", 1024, 1024, 8192));
}

BENCHMARK(whole_405b)->Unit(benchmark::kMillisecond);
BENCHMARK(price_all_405b)->Unit(benchmark::kMillisecond);
BENCHMARK(race_175b_on_64)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(race_1t_on_4096)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(best_175b_on_64)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(best_1t_on_4096)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(price_all_8b)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace forerun

BENCHMARK_MAIN();
