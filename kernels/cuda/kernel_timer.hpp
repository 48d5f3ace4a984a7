// Times kernels on a stream with CUDA events, hot or with operands that are in no cache.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include <cuda_runtime_api.h>

#include "kernels/cuda/handles.hpp"
#include "kernels/cuda/operand_copies.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/device.hpp"
#include "units/quantity.hpp"

namespace forerun::cuda {

/// Enqueues the kernel to be timed, once, on the timer's stream.
using Enqueue = std::function<void(std::span<void* const> operands)>;

class KernelTimer {
 public:
  KernelTimer(cudaStream_t stream, std::size_t l2_bytes);

  /// `count` samples after two warm-up runs. Kernels under 50 us, which events time badly, are
  /// repeated in a CUDA graph that lasts a millisecond or more; a sample is then the graph's mean.
  /// Cold: the L2 cache is overwritten before every sample, outside of what is timed; the runs
  /// within a graph take turns on copies of the operands that together are larger than the cache.
  [[nodiscard]] std::vector<Seconds> time(const Enqueue& enqueue,
                                          const OperandSet& operands,
                                          int count,
                                          CacheState cache);

 private:
  using Work = std::function<void()>;

  [[nodiscard]] Seconds timed(const Work& work) const;
  /// A graph of `runs` runs on the sets in turn.
  [[nodiscard]] GraphExecution repeated(const Enqueue& enqueue,
                                        const OperandCopies& sets,
                                        int runs) const;
  /// Runs whose graph takes about a millisecond.
  [[nodiscard]] int runs_of_batch(const Enqueue& enqueue,
                                  const OperandSet& operands,
                                  Seconds probe) const;
  [[nodiscard]] std::vector<Seconds> time_each(const Work& work, int count, CacheState cache) const;
  [[nodiscard]] std::vector<Seconds> time_batches(
      const Enqueue& enqueue, const OperandSet& operands, int count, int runs, CacheState cache);
  void flush() const;

  cudaStream_t stream_;
  std::size_t l2_bytes_;
  Scratch overwritten_;
  Scratch copies_;
  void* flushed_ = nullptr;  ///< in overwritten_, as large as the L2 cache
};

}  // namespace forerun::cuda
