// What both directions of the state-space recurrences share: who works on what, and what a segment
// loads. Chunks run side by side, each position by position: sixteen lanes hold the state of a
// channel, a block sixteen channels of one group, whose B and C lie in shared memory for sixteen
// positions at a time.
#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_bf16.h>

#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/scan_launch.hpp"

namespace forerun::cuda::scan {

constexpr int lanes = 16;     ///< of one channel
constexpr int channels = 16;  ///< of one block
constexpr int segment = 16;   ///< positions between two checkpoints: one a lane
constexpr unsigned every_lane = 0xffffffffU;

/// Which channel of which chunk of which sequence a thread works on, and which of its lanes it is.
struct Work {
  std::int64_t sequence;
  std::int64_t chunk;
  std::int64_t first;  ///< position of the chunk
  std::int64_t end;
  std::int64_t group;
  std::int64_t channel;
  std::int64_t head;
  bool is_real;  ///< others repeat the group's last channel and store nothing
  int lane;
  int first_lane;  ///< of the channel, in the warp

  __device__ explicit Work(const ScanSize& size)
      : sequence(blockIdx.y),
        chunk(blockIdx.z),
        first(chunk * size.chunk),
        end(min(first + size.chunk, size.length)),
        lane(static_cast<int>(threadIdx.x) % lanes),
        first_lane(static_cast<int>(threadIdx.x) % warp_size / lanes * lanes) {
    const std::int64_t own = size.channels / size.groups;
    const std::int64_t blocks = ceil_div<std::int64_t>(own, channels);
    group = blockIdx.x / blocks;
    const std::int64_t within =
        blockIdx.x % blocks * channels + static_cast<int>(threadIdx.x) / lanes;
    is_real = within < own;
    channel = group * own + min(within, own - 1);
    head = channel / size.head_size;
  }

  /// The sum over the channel's lanes, in each of them.
  __device__ static float sum(float value) {
    for (int offset = lanes / 2; offset > 0; offset /= 2) {
      value += __shfl_xor_sync(every_lane, value, offset);
    }
    return value;
  }

  /// What lane `position` of the channel holds.
  __device__ float held_by(float value, int position) const {
    return __shfl_sync(every_lane, value, first_lane + position);
  }
};

__device__ inline float softplus(float value) {
  return value > 20.0F ? value : log1pf(expf(value));
}

template <class T>
__device__ float element(const void* memory, std::int64_t index) {
  return to_float(static_cast<const T*>(memory)[index]);
}

/// What a lane holds of its own position in a segment.
struct Position {
  std::int64_t row;
  bool is_real;
  float x = 0.0F;
  float raw = 0.0F;  ///< dt before softplus
  float dt = 0.0F;   ///< 0 behind the end, where the recurrence then stands still

  template <class T>
  __device__ static Position load(const ScanSize& size,
                                  const ScanInputs& inputs,
                                  const Work& work,
                                  std::int64_t first) {
    Position own{(first + work.lane) * size.batch + work.sequence, first + work.lane < size.length};
    if (own.is_real) {
      own.x = element<T>(inputs.x, own.row * size.channels + work.channel);
      own.raw = element<T>(inputs.dt, own.row * (size.channels / size.head_size) + work.head) +
                inputs.dt_bias[work.head];
      own.dt = softplus(own.raw);
    }
    return own;
  }
};

/// shared[position][state] of one of B and C; zero behind the end.
template <class T>
__device__ void load_projected(
    float* shared, const void* memory, const ScanSize& size, const Work& work, std::int64_t first) {
  const auto state = static_cast<int>(size.state);
  for (int i = static_cast<int>(threadIdx.x); i < segment * state;
       i += static_cast<int>(blockDim.x)) {
    const std::int64_t position = first + i / state;
    const std::int64_t row = position * size.batch + work.sequence;
    shared[i] = position < size.length
                    ? element<T>(memory, (row * size.groups + work.group) * state + i % state)
                    : 0.0F;
  }
}

template <int States>
__device__ void load_decay(float (&a)[States],
                           const ScanSize& size,
                           const ScanInputs& inputs,
                           const Work& work) {
#pragma unroll
  for (int i = 0; i < States; ++i) {
    const int n = work.lane + i * lanes;
    if (n < size.state) {
      a[i] = -expf(inputs.a_log[size.a_size == 1 ? work.head : work.channel * size.a_size + n]);
    } else {
      a[i] = 0.0F;
    }
  }
}

__device__ inline std::int64_t state_index(const ScanSize& size,
                                           const Work& work,
                                           std::int64_t first) {
  return (first / segment * size.batch + work.sequence) * size.channels * size.state +
         work.channel * size.state;
}

/// Of the states between chunks, [chunk][sequence][channel][state].
__device__ inline std::int64_t chunk_index(const ScanSize& size, const Work& work) {
  return ((work.chunk * size.batch + work.sequence) * size.channels + work.channel) * size.state;
}

/// Calls `visit(i, n)` for each state n that the lane holds, the i-th of its own.
template <int States, class Visit>
__device__ void each_state(const ScanSize& size, const Work& work, const Visit& visit) {
#pragma unroll
  for (int i = 0; i < States; ++i) {
    const int n = work.lane + i * lanes;
    if (n < size.state) {
      visit(i, n);
    }
  }
}

inline std::int64_t chunks_of(const ScanSize& size) {
  return ceil_div(size.length, size.chunk);
}

inline std::int64_t heads_of(const ScanSize& size) {
  return size.channels / size.head_size;
}

/// What joins the chunks, in fp32: cut from one scratch of join_elements.
struct Join {
  float* states;  ///< [chunk][sequence][channel][state]; null for one chunk: it starts from zero
  float* steps;   ///< [chunk][sequence][head]: the sum of the chunk's dt
};

inline std::size_t join_state_elements(const ScanSize& size) {
  const std::int64_t chunks = chunks_of(size);
  return static_cast<std::size_t>(chunks == 1 ? 0
                                              : chunks * size.batch * size.channels * size.state);
}

inline std::size_t join_step_elements(const ScanSize& size) {
  const std::int64_t chunks = chunks_of(size);
  return static_cast<std::size_t>(chunks == 1 ? 0 : chunks * size.batch * heads_of(size));
}

inline Join join_at(const ScanSize& size, float* memory) {
  if (chunks_of(size) == 1) {
    return {nullptr, nullptr};
  }
  return {memory, memory + join_state_elements(size)};
}

inline LaunchShape shape_of(const ScanSize& size, int tiles) {
  const std::int64_t own = size.channels / size.groups;
  const std::int64_t blocks = size.groups * (ceil_div<std::int64_t>(own, channels));
  return {dim3(static_cast<unsigned>(blocks),
               static_cast<unsigned>(size.batch),
               static_cast<unsigned>(chunks_of(size))),
          dim3(channels * lanes),
          static_cast<std::size_t>(tiles * segment * size.state) * sizeof(float)};
}

/// Calls `start` with the number of states a lane holds, as a type.
template <class Start>
void with_states(std::int64_t state, const Start& start) {
  if (state <= lanes) {
    start(std::integral_constant<int, 1>{});
  } else if (state <= 4 * lanes) {
    start(std::integral_constant<int, 4>{});
  } else if (state <= 8 * lanes) {
    start(std::integral_constant<int, 8>{});
  } else {
    start(std::integral_constant<int, 16>{});
  }
}

enum class Direction { forward, backward };

/// What every chunk adds to a state (or, backward, to its gradient) becomes what the chunk starts
/// from: s after a chunk = exp(a steps) * s before it + its own. In place.
void launch_join(cudaStream_t stream,
                 const ScanSize& size,
                 const float* a_log,
                 const Join& join,
                 Direction direction);

/// The states that chunks start from and their steps; nothing for one chunk.
void launch_chunk_states(cudaStream_t stream,
                         const ScanSize& size,
                         const ScanInputs& inputs,
                         const Join& join);

/// Stores the states before every segment's first position.
void launch_checkpoints(cudaStream_t stream,
                        const ScanSize& size,
                        const ScanInputs& inputs,
                        const Join& join,
                        float* states);

}  // namespace forerun::cuda::scan
