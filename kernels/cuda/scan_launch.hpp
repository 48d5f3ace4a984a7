// Starts the state-space scans: Mamba-1's selective scan and Mamba-2's SSD, as one recurrence over
// chunks that run side by side.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "units/data_type.hpp"

namespace forerun::cuda {

/// The largest state that a channel's lanes hold.
inline constexpr std::int64_t largest_state = 256;

/// `channels` in heads of `head_size`, heads in `groups` that share B and C. Mamba-1 is heads of
/// one channel in one group, with its own A for each state (`a_size` = state) and a gate z; SSD has
/// one A a head (`a_size` = 1) and no gate. bf16 or fp32 as `type`.
struct ScanSize {
  DataType type;
  std::int64_t batch;
  std::int64_t length;
  std::int64_t channels;
  std::int64_t head_size;
  std::int64_t groups;
  std::int64_t state;
  std::int64_t a_size;
  std::int64_t chunk;  ///< positions that are worked on one after the other; see scan_chunk
};

/// Positions of a chunk for a wanted number: whole segments of the kernels, no longer than the
/// sequence.
[[nodiscard]] std::int64_t scan_chunk(std::int64_t wanted, std::int64_t length);

/// Operands of both directions, as in kernels/operands.hpp; `z` is null for SSD.
struct ScanInputs {
  const void* x;
  const void* dt;
  const void* b;
  const void* c;
  const void* z;
  const float* dt_bias;
  const float* a_log;
  const float* d;
};

/// `dz` is null for SSD; d_dt_bias, da_log and dd accumulate.
struct ScanGradients {
  const void* dy;
  void* dx;
  void* d_dt;
  void* db;
  void* dc;
  void* dz;
  float* d_dt_bias;
  float* da_log;
  float* dd;
  void* scratch;  ///< scan_scratch_bytes
};

/// The states between chunks, and the steps that separate them; 0 for one chunk.
[[nodiscard]] std::size_t scan_forward_scratch_bytes(const ScanSize& size);

/// The same and those of the adjoint, states every 16 positions, and sums in fp32.
[[nodiscard]] std::size_t scan_scratch_bytes(const ScanSize& size);

/// Raise the shared-memory limit of the kernels; once a device, before the first launch.
[[nodiscard]] cudaError_t prepare_scan();

/// Chunks run side by side: first each from a state of zero to find what it leaves, then, once the
/// states between them are known, each from its own.
void launch_scan_forward(
    cudaStream_t stream, const ScanSize& size, const ScanInputs& inputs, void* y, float* scratch);
/// Sums over channels run in the order in which blocks finish.
void launch_scan_backward(cudaStream_t stream,
                          const ScanSize& size,
                          const ScanInputs& inputs,
                          const ScanGradients& gradients);

}  // namespace forerun::cuda
