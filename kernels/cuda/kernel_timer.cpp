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
constexpr int most_repetitions = 1000;
constexpr int probe_runs = 5;

Seconds between(const Event& start, const Event& stop) {
  float milliseconds = 0.0F;
  FORERUN_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start.raw(), stop.raw()));
  return static_cast<double>(milliseconds) * unit::millisecond;
}

}  // namespace

KernelTimer::KernelTimer(cudaStream_t stream, std::size_t l2_bytes)
    : stream_(stream), l2_bytes_(l2_bytes) {}

std::vector<Seconds> KernelTimer::time(const Enqueue& enqueue, int count, CacheState cache) {
  if (cache == CacheState::cold) {
    flushed_ = scratch_.at_least(l2_bytes_);
  }
  enqueue();
  enqueue();
  const Seconds probe = timed([&] {
                          for (int run = 0; run < probe_runs; ++run) {
                            enqueue();
                          }
                        }) /
                        probe_runs;
  if (probe >= short_kernel) {
    return time_each(enqueue, count, cache);
  }
  const double wanted = std::ceil(batch_length / std::max(probe, 1.0 * unit::microsecond));
  const int repetitions = std::min(most_repetitions, static_cast<int>(wanted));
  return cache == CacheState::cold ? time_cold_batches(enqueue, count, repetitions)
                                   : time_batches(enqueue, count, repetitions);
}

Seconds KernelTimer::timed(const Enqueue& work) const {
  const Event start = make_event();
  const Event stop = make_event();
  FORERUN_CUDA_CHECK(cudaEventRecord(start.raw(), stream_));
  work();
  FORERUN_CUDA_CHECK(cudaEventRecord(stop.raw(), stream_));
  FORERUN_CUDA_CHECK(cudaEventSynchronize(stop.raw()));
  return between(start, stop);
}

GraphExecution KernelTimer::repeated(const Enqueue& work, int repetitions) const {
  FORERUN_CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  cudaGraph_t raw = nullptr;
  try {
    for (int i = 0; i < repetitions; ++i) {
      work();
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

std::vector<Seconds> KernelTimer::time_each(const Enqueue& enqueue,
                                            int count,
                                            CacheState cache) const {
  std::vector<std::pair<Event, Event>> marks;
  enqueue();  // keeps the GPU busy, so that the first sample holds no launch gap
  for (int i = 0; i < count; ++i) {
    marks.emplace_back(make_event(), make_event());
    if (cache == CacheState::cold) {
      flush();
    }
    FORERUN_CUDA_CHECK(cudaEventRecord(marks.back().first.raw(), stream_));
    enqueue();
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

std::vector<Seconds> KernelTimer::time_batches(const Enqueue& enqueue,
                                               int count,
                                               int repetitions) const {
  const GraphExecution batch = repeated(enqueue, repetitions);
  const Enqueue launch = [&] { FORERUN_CUDA_CHECK(cudaGraphLaunch(batch.raw(), stream_)); };
  launch();  // uploads the graph
  std::vector<Seconds> samples;
  samples.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    samples.push_back(timed(launch) / repetitions);
  }
  return samples;
}

std::vector<Seconds> KernelTimer::time_cold_batches(const Enqueue& enqueue,
                                                    int count,
                                                    int repetitions) const {
  const Enqueue flush_only = [this] { flush(); };
  const Enqueue flush_and_run = [&] {
    flush();
    enqueue();
  };
  std::vector<Seconds> overhead = time_batches(flush_only, std::max(count, 3), repetitions);
  std::ranges::sort(overhead);
  const Seconds median = overhead[overhead.size() / 2];
  std::vector<Seconds> samples = time_batches(flush_and_run, count, repetitions);
  for (Seconds& sample : samples) {
    sample -= median;
  }
  return samples;
}

}  // namespace forerun::cuda
