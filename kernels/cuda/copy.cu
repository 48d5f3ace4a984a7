// A copy by a fixed number of blocks, as NCCL's kernels move data through a few SMs.
#include "kernels/cuda/copy_launch.hpp"
#include "kernels/cuda/device_code.cuh"

namespace forerun::cuda {

namespace {

// As many threads as NCCL gives a block of its Simple protocol (NCCL_MAX_NTHREADS is 640, 512 of
// them move data).
constexpr int copy_threads = 512;

__global__ void copy(CopyOperands operands) {
  const auto* from = static_cast<const uint4*>(operands.from);
  auto* to = static_cast<uint4*>(operands.to);
  const std::int64_t quads = operands.bytes / static_cast<std::int64_t>(sizeof(uint4));
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < quads;
       i += step) {
    to[i] = from[i];
  }
}

}  // namespace

void launch_copy(cudaStream_t stream, unsigned blocks, const CopyOperands& operands) {
  launch(stream, {blocks, copy_threads}, copy, operands);
}

}  // namespace forerun::cuda
