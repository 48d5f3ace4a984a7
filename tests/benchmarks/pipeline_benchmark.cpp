// What it costs to price pipelines: making a program, simulating it alone and eight at a time, and
// the peak of its activations. `passes/s` counts forward, backward and weight passes.
#include <vector>

#include <benchmark/benchmark.h>

#include "estimator/step/activation_peak.hpp"
#include "estimator/step/pipeline_simulation.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Subject {
  Schedule schedule;
  PipelineShape shape;
};

// 16 stages and micro-batches with 8 chunks are the published 405B run.
constexpr Subject subjects[] = {{Schedule::one_f_one_b, {16, 1, 16}},
                                {Schedule::one_f_one_b, {8, 1, 64}},
                                {Schedule::interleaved, {8, 4, 16}},
                                {Schedule::interleaved, {16, 8, 16}},
                                {Schedule::zb_h1, {16, 1, 64}},
                                {Schedule::zb_v, {16, 2, 64}},
                                {Schedule::dualpipe, {16, 2, 64}}};

PipelineCosts costs_of(const PipelineShape& shape) {
  PipelineCosts costs;
  for (std::int64_t i = 0; i < shape.stages * shape.chunks; ++i) {
    const double uneven = 1.0 + 0.01 * static_cast<double>(i % 7);
    PassCosts passes;
    passes.forward = uneven * unit::millisecond;
    passes.backward_input = uneven * unit::millisecond;
    passes.backward_weight = uneven * unit::millisecond;
    costs.passes.push_back(passes);
  }
  costs.messages.assign(static_cast<std::size_t>(shape.stages), 0.1 * unit::millisecond);
  costs.exchange = Exchange::overlapped;
  return costs;
}

void count_passes(benchmark::State& state, const PipelineProgram& program, std::size_t jobs) {
  std::int64_t passes = 0;
  const std::uint32_t zero = zero_index(program.shape);
  for (std::uint32_t i = 0; i < zero; ++i) {
    passes += program.count[i];
  }
  const double each = static_cast<double>(state.iterations()) * static_cast<double>(jobs);
  state.counters["passes/s"] =
      benchmark::Counter(each * static_cast<double>(passes), benchmark::Counter::kIsRate);
  state.counters["jobs/s"] = benchmark::Counter(each, benchmark::Counter::kIsRate);
}

void make_program(benchmark::State& state, const Subject& subject) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(pipeline_program(subject.schedule, subject.shape).steps.data());
  }
  count_passes(state, pipeline_program(subject.schedule, subject.shape), 1);
}

void simulate_one(benchmark::State& state, const Subject& subject) {
  const PipelineProgram program = pipeline_program(subject.schedule, subject.shape);
  const PipelineCosts costs = costs_of(subject.shape);
  PipelineScratch scratch;
  for (auto _ : state) {
    benchmark::DoNotOptimize(simulate_pipeline(program, costs, scratch).data());
  }
  count_passes(state, program, 1);
}

void simulate_many(benchmark::State& state, const Subject& subject) {
  const PipelineProgram program = pipeline_program(subject.schedule, subject.shape);
  const std::vector<PipelineCosts> jobs(64, costs_of(subject.shape));
  PipelineScratch scratch;
  for (auto _ : state) {
    benchmark::DoNotOptimize(simulate_pipelines(program, jobs, scratch).data());
  }
  count_passes(state, program, jobs.size());
}

void peak_of_activations(benchmark::State& state, const Subject& subject) {
  const PipelineProgram program = pipeline_program(subject.schedule, subject.shape);
  ChunkMemory memory;
  memory.kept_for_input = unit::gigabyte;
  const std::vector<ChunkMemory> chunks(
      static_cast<std::size_t>(subject.shape.stages * subject.shape.chunks), memory);
  for (auto _ : state) {
    benchmark::DoNotOptimize(activation_peaks(program, chunks).data());
  }
  count_passes(state, program, 1);
}

void add_benchmarks() {
  for (const Subject& subject : subjects) {
    const std::string shape = "/" + std::string(name_of(subject.schedule)) +
                              "/p:" + std::to_string(subject.shape.stages) +
                              "/v:" + std::to_string(subject.shape.chunks) +
                              "/m:" + std::to_string(subject.shape.micro_batches);
    benchmark::RegisterBenchmark(("make_program" + shape).c_str(), make_program, subject);
    benchmark::RegisterBenchmark(("simulate_one" + shape).c_str(), simulate_one, subject);
    benchmark::RegisterBenchmark(("simulate_many" + shape).c_str(), simulate_many, subject);
    benchmark::RegisterBenchmark(
        ("peak_of_activations" + shape).c_str(), peak_of_activations, subject);
  }
}

}  // namespace
}  // namespace forerun

int main(int argc, char** argv) {
  forerun::add_benchmarks();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
