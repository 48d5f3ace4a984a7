// Times kernels on a stream with CUDA events, hot or with a flushed L2 cache.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include <cuda_runtime_api.h>

#include "kernels/cuda/handles.hpp"
#include "kernels/device.hpp"
#include "units/quantity.hpp"

namespace forerun::cuda {

/// Enqueues the work to be timed, once, on the timer's stream.
using Enqueue = std::function<void()>;

class KernelTimer {
 public:
  KernelTimer(cudaStream_t stream, std::size_t l2_bytes);

  /// `count` samples after two warm-up runs. Kernels under 50 us, which events time badly, are
  /// repeated in a CUDA graph that lasts a millisecond or more; a sample is then the graph's mean.
  /// Cold: the L2 cache is overwritten before every run; in a graph the time of as many overwrites
  /// alone is subtracted.
  [[nodiscard]] std::vector<Seconds> time(const Enqueue& enqueue, int count, CacheState cache);

 private:
  [[nodiscard]] Seconds timed(const Enqueue& work) const;
  [[nodiscard]] GraphExecution repeated(const Enqueue& work, int repetitions) const;
  [[nodiscard]] std::vector<Seconds> time_each(const Enqueue& enqueue,
                                               int count,
                                               CacheState cache) const;
  [[nodiscard]] std::vector<Seconds> time_batches(const Enqueue& enqueue,
                                                  int count,
                                                  int repetitions) const;
  [[nodiscard]] std::vector<Seconds> time_cold_batches(const Enqueue& enqueue,
                                                       int count,
                                                       int repetitions) const;
  void flush() const;

  cudaStream_t stream_;
  std::size_t l2_bytes_;
  Scratch scratch_;
  void* flushed_ = nullptr;  ///< in scratch_, as large as the L2 cache
};

}  // namespace forerun::cuda
