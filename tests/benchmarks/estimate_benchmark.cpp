// How long an estimate takes: the whole process, and the step model inside it.
#include <cstdlib>

#include <benchmark/benchmark.h>

#include "estimator/estimate/estimate.hpp"
#include "jobs/read_model.hpp"

namespace forerun {
namespace {

constexpr const char* run_405b = FORERUN_BIN_DIR
    "/forerun estimate --model llama-3.1-405b --cluster dgx-h100 --devices 16384 --layout "
    "tp=8,pp=16,vp=8,dp=128 --batch 2048 --micro-batch 1 --seq 8192 --format json > /dev/null 2>&1";

void whole_process_of_405b(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::system(run_405b));
  }
}

void step_model_of_405b(benchmark::State& state) {
  EstimateRequest request;
  request.job.model = read_model("llama-3.1-405b");
  request.job.recipe.global_batch = 2048;
  request.job.recipe.sequence = 8192;
  request.job.layout = {.tensor = 8, .pipeline = 16, .virtual_pipeline = 8, .data = 128};
  request.hardware = sized_for(read_hardware("dgx-h100"), 16384);
  for (auto _ : state) {
    benchmark::DoNotOptimize(estimate_job(request).step_time);
  }
}

BENCHMARK(whole_process_of_405b)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(step_model_of_405b)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace forerun

BENCHMARK_MAIN();
