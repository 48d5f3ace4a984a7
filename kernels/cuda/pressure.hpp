// A copy that takes what a collective's kernel takes: some blocks and a share of the memory's rate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/handles.hpp"

namespace forerun::cuda {

/// Copies on a stream of its own, beside whatever the GPU does.
class Pressure {
 public:
  Pressure() = default;
  Pressure(const Pressure&) = delete;
  Pressure& operator=(const Pressure&) = delete;
  Pressure(Pressure&&) = delete;
  Pressure& operator=(Pressure&&) = delete;
  ~Pressure();

  /// Starts reading and writing `bytes` with `blocks` thread blocks. Throws std::bad_alloc.
  void start(std::int64_t blocks, std::size_t bytes);
  /// Waits for it.
  void finish();

 private:
  void grow(std::size_t bytes);

  Stream stream_;
  void* from_ = nullptr;
  void* to_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace forerun::cuda
