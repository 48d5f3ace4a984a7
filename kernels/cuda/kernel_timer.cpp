// Events around single runs, or around CUDA graphs of many where runs are short.
#include "kernels/cuda/kernel_timer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/cuda/check.hpp"
#include "units/unit.hpp"

namespace forerun::cuda {

namespace {

// Events resolve about 0.5 us and cost about as much: 2 % of this.
constexpr Seconds short_kernel = 50.0 * unit::microsecond;
constexpr Seconds batch_length = 1.0 * unit::millisecond;
constexpr int most_runs = 2000;  // a graph's launch of an empty kernel takes half a microsecond
constexpr int probe_runs = 5;

Seconds between(const Event& start, const Event& stop) {
  float milliseconds = 0.0F;
  FORERUN_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start.raw(), stop.raw()));
  return static_cast<double>(milliseconds) * unit::millisecond;
}

}  // namespace

KernelTimer::KernelTimer(cudaStream_t stream, std::size_t l2_bytes)
    : stream_(stream), l2_bytes_(l2_bytes) {}

std::vector<Seconds> KernelTimer::time(const Enqueue& enqueue,
                                       const OperandSet& operands,
                                       int count,
                                       CacheState cache) {
  if (cache == CacheState::cold) {
    flushed_ = overwritten_.at_least(l2_bytes_);
  }
  const Work work = [&] { enqueue(operands.operands); };
  work();
  work();
  const Seconds probe = timed([&] {
                          for (int run = 0; run < probe_runs; ++run) {
                            work();
                          }
                        }) /
                        probe_runs;
  if (probe >= short_kernel) {
    return time_each(work, count, cache);
  }
  return time_batches(enqueue, operands, count, runs_of_batch(enqueue, operands, probe), cache);
}

Seconds KernelTimer::timed(const Work& work) const {
  const Event start = make_event();
  const Event stop = make_event();
  FORERUN_CUDA_CHECK(cudaEventRecord(start.raw(), stream_));
  work();
  FORERUN_CUDA_CHECK(cudaEventRecord(stop.raw(), stream_));
  FORERUN_CUDA_CHECK(cudaEventSynchronize(stop.raw()));
  return between(start, stop);
}

GraphExecution KernelTimer::repeated(const Enqueue& enqueue,
                                     const OperandCopies& sets,
                                     int runs) const {
  FORERUN_CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  cudaGraph_t raw = nullptr;
  try {
    for (int run = 0; run < runs; ++run) {
      enqueue(sets.of_run(run));
    }
  } catch (...) {
    // The stream must leave capture mode before the error goes on.
    static_cast<void>(cudaStreamEndCapture(stream_, &raw));
    const Graph abandoned(raw);
    throw;
  }
  FORERUN_CUDA_CHECK(cudaStreamEndCapture(stream_, &raw));
  const Graph graph(raw);
  cudaGraphExec_t execution = nullptr;
  FORERUN_CUDA_CHECK(cudaGraphInstantiate(&execution, graph.raw(), 0));
  return GraphExecution(execution);
}

void KernelTimer::flush() const {
  FORERUN_CUDA_CHECK(cudaMemsetAsync(flushed_, 0, l2_bytes_, stream_));
}

std::vector<Seconds> KernelTimer::time_each(const Work& work, int count, CacheState cache) const {
  std::vector<std::pair<Event, Event>> marks;
  work();  // keeps the GPU busy, so that the first sample holds no launch gap
  for (int i = 0; i < count; ++i) {
    marks.emplace_back(make_event(), make_event());
    if (cache == CacheState::cold) {
      flush();
    }
    FORERUN_CUDA_CHECK(cudaEventRecord(marks.back().first.raw(), stream_));
    work();
    FORERUN_CUDA_CHECK(cudaEventRecord(marks.back().second.raw(), stream_));
  }
  FORERUN_CUDA_CHECK(cudaStreamSynchronize(stream_));
  std::vector<Seconds> samples;
  samples.reserve(marks.size());
  for (const auto& [start, stop] : marks) {
    samples.push_back(between(start, stop));
  }
  return samples;
}

int KernelTimer::runs_of_batch(const Enqueue& enqueue,
                               const OperandSet& operands,
                               Seconds probe) const {
  // The probe held the gaps between launches from the host, which a graph does not have.
  const auto runs_at = [](Seconds each) {
    const double wanted = std::ceil(batch_length / std::max(each, 0.5 * unit::microsecond));
    return std::clamp(static_cast<int>(wanted), 1, most_runs);
  };
  Scratch unused;
  const OperandCopies originals(stream_, operands, 1, unused);
  const int runs = runs_at(probe);
  const GraphExecution graph = repeated(enqueue, originals, runs);
  const Work launch = [&] { FORERUN_CUDA_CHECK(cudaGraphLaunch(graph.raw(), stream_)); };
  launch();  // uploads the graph
  return runs_at(timed(launch) / runs);
}

std::vector<Seconds> KernelTimer::time_batches(
    const Enqueue& enqueue, const OperandSet& operands, int count, int runs, CacheState cache) {
  const bool is_cold = cache == CacheState::cold;
  const int sets = is_cold ? copies_beyond(l2_bytes_, operands.total_bytes(), runs) : 1;
  const OperandCopies copies(stream_, operands, sets, copies_);
  const GraphExecution graph = repeated(enqueue, copies, runs);
  const Work launch = [&] { FORERUN_CUDA_CHECK(cudaGraphLaunch(graph.raw(), stream_)); };
  launch();  // uploads the graph
  std::vector<Seconds> samples;
  samples.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    if (is_cold) {
      flush();
    }
    samples.push_back(timed(launch) / runs);
  }
  return samples;
}

}  // namespace forerun::cuda
