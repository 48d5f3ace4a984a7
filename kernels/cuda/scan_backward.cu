// The state-space recurrences backward: chunks side by side, positions last to first, from the
// states that a forward run left before every segment and the gradients of those behind the chunks.
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/scan.cuh"

namespace forerun::cuda {

using namespace scan;

namespace {

/// fp32 memory of the backward kernels, cut from one scratch.
struct Sums {
  Join join;      ///< the states that chunks start from
  Join adjoint;   ///< the gradients of the states that they end with
  float* states;  ///< [segment][sequence][channel][state], before the segment's first position
  float* db;      ///< [row][group][state]
  float* dc;
  float* d_dt;  ///< [row][head], of softplus's result
  float* partial;
};

std::int64_t segments_of(const ScanSize& size) {
  return ceil_div<std::int64_t>(size.length, segment);
}

std::size_t state_elements(const ScanSize& size) {
  return static_cast<std::size_t>(segments_of(size) * size.batch * size.channels * size.state);
}

std::size_t projected_elements(const ScanSize& size) {
  return static_cast<std::size_t>(size.batch * size.length * size.groups * size.state);
}

std::size_t step_elements(const ScanSize& size) {
  return static_cast<std::size_t>(size.batch * size.length * heads_of(size));
}

Sums cut(const ScanSize& size, void* scratch) {
  Sums sums{};
  auto* memory = static_cast<float*>(scratch);
  sums.join = join_at(size, memory);
  memory += join_state_elements(size) + join_step_elements(size);
  sums.adjoint = {sums.join.states == nullptr ? nullptr : memory, sums.join.steps};
  sums.states = memory + join_state_elements(size);
  sums.db = sums.states + state_elements(size);
  sums.dc = sums.db + projected_elements(size);
  sums.d_dt = sums.dc + projected_elements(size);
  sums.partial = sums.d_dt + step_elements(size);
  return sums;
}

/// The gradient of the recurrence's own output, before the gate, of a lane's position.
template <class T>
__device__ float inner_gradient(const ScanInputs& inputs,
                                const ScanGradients& gradients,
                                const Position& own,
                                std::int64_t at) {
  if (!own.is_real) {
    return 0.0F;
  }
  const float dy = element<T>(gradients.dy, at);
  if (inputs.z == nullptr) {
    return dy;
  }
  const float z = element<T>(inputs.z, at);
  return dy * z * sigmoid(z);
}

/// Position of the chunk's last segment.
__device__ std::int64_t last_segment(const Work& work) {
  return work.first + (work.end - 1 - work.first) / segment * segment;
}

/// Adds what both channels of a warp found for a state to the block's sum.
__device__ void add_to_block(float* shared, float value, const Work& work) {
  value += __shfl_xor_sync(every_lane, value, lanes);
  if (work.first_lane == 0) {
    atomicAdd(shared, value);
  }
}

/// What a chunk adds to the gradient of the state that it starts from when that of its end is zero.
template <class T, int States>
__global__ void chunk_gradients(ScanSize size,
                                ScanInputs inputs,
                                ScanGradients gradients,
                                Sums sums) {
  auto* c = reinterpret_cast<float*>(dynamic_shared());
  const Work work(size);
  float a[States];
  load_decay(a, size, inputs, work);
  float carry[States] = {};
  for (std::int64_t first = last_segment(work); first >= work.first; first -= segment) {
    const auto own = Position::load<T>(size, inputs, work, first);
    const float dy =
        inner_gradient<T>(inputs, gradients, own, own.row * size.channels + work.channel);
    __syncthreads();
    load_projected<T>(c, inputs.c, size, work, first);
    __syncthreads();
    for (int position = segment - 1; position >= 0; --position) {
      const float dt = work.held_by(own.dt, position);
      const float out_gradient = work.held_by(dy, position);
      each_state<States>(size, work, [&](int i, int n) {
        carry[i] = expf(dt * a[i]) * (out_gradient * c[position * size.state + n] + carry[i]);
      });
    }
  }
  if (work.is_real) {
    each_state<States>(size, work, [&](int i, int n) {
      sums.adjoint.states[chunk_index(size, work) + n] = carry[i];
    });
  }
}

template <class T, int States>
__global__ void scan_backward(ScanSize size,
                              ScanInputs inputs,
                              ScanGradients gradients,
                              Sums sums) {
  auto* b = reinterpret_cast<float*>(dynamic_shared());
  const std::int64_t tile = segment * size.state;
  float* c = b + tile;
  float* db = c + tile;
  float* dc = db + tile;
  const Work work(size);
  float a[States];
  load_decay(a, size, inputs, work);
  const float skip = inputs.d[work.head];
  float carry[States] = {};  // of the state before the position that was done last
  if (sums.adjoint.states != nullptr) {
    each_state<States>(size, work, [&](int i, int n) {
      carry[i] = sums.adjoint.states[chunk_index(size, work) + n];
    });
  }
  float da[States] = {};
  float dd = 0.0F;
  for (std::int64_t first = last_segment(work); first >= work.first; first -= segment) {
    const auto own = Position::load<T>(size, inputs, work, first);
    const std::int64_t at = own.row * size.channels + work.channel;
    const float dy = inner_gradient<T>(inputs, gradients, own, at);
    __syncthreads();
    load_projected<T>(b, inputs.b, size, work, first);
    load_projected<T>(c, inputs.c, size, work, first);
    for (std::int64_t i = threadIdx.x; i < tile; i += blockDim.x) {
      db[i] = 0.0F;
      dc[i] = 0.0F;
    }
    __syncthreads();
    float before[segment][States];  // the state before each position
#pragma unroll
    for (int i = 0; i < States; ++i) {
      const int n = work.lane + i * lanes;
      float h = n < size.state ? sums.states[state_index(size, work, first) + n] : 0.0F;
      for (int position = 0; position < segment; ++position) {
        before[position][i] = h;
        const float dt = work.held_by(own.dt, position);
        const float x = work.held_by(own.x, position);
        if (n < size.state) {
          h = expf(dt * a[i]) * h + dt * x * b[position * size.state + n];
        }
      }
    }
    float dx = 0.0F;
    float d_dt = 0.0F;
    float inner = 0.0F;  // the recurrence's output
    for (int position = segment - 1; position >= 0; --position) {
      const float dt = work.held_by(own.dt, position);
      const float x = work.held_by(own.x, position);
      const float out_gradient = work.held_by(dy, position);
      float product = 0.0F;
      float x_gradient = 0.0F;
      float dt_gradient = 0.0F;
#pragma unroll
      for (int i = 0; i < States; ++i) {
        const int n = work.lane + i * lanes;
        const bool is_state = n < size.state;
        const std::int64_t index = position * size.state + (is_state ? n : 0);
        const float decay = expf(dt * a[i]);
        const float last = before[position][i];
        const float h = decay * last + dt * x * b[index];
        const float dh = out_gradient * c[index] + carry[i];
        product += is_state ? h * c[index] : 0.0F;
        x_gradient += is_state ? dh * dt * b[index] : 0.0F;
        dt_gradient += is_state ? dh * (x * b[index] + a[i] * decay * last) : 0.0F;
        da[i] += dh * last * decay * dt;
        carry[i] = is_state ? decay * dh : 0.0F;
        if (i * lanes < size.state) {  // the same for the whole warp
          const bool counts = is_state && work.is_real;
          add_to_block(db + index, counts ? dh * dt * x : 0.0F, work);
          add_to_block(dc + index, counts ? out_gradient * h : 0.0F, work);
        }
      }
      product = Work::sum(product);
      x_gradient = Work::sum(x_gradient);
      dt_gradient = Work::sum(dt_gradient);
      if (position == work.lane) {
        inner = product + skip * x;
        dx = x_gradient + skip * out_gradient;
        d_dt = dt_gradient;
      }
    }
    if (work.is_real && own.is_real) {
      static_cast<T*>(gradients.dx)[at] = from_float<T>(dx);
      atomicAdd(sums.d_dt + own.row * (size.channels / size.head_size) + work.head, d_dt);
      dd += dy * own.x;
      if (inputs.z != nullptr) {
        const float z = element<T>(inputs.z, at);
        const float gate = sigmoid(z);
        const float slope = gate * (1.0F + z * (1.0F - gate));
        static_cast<T*>(gradients.dz)[at] =
            from_float<T>(element<T>(gradients.dy, at) * inner * slope);
      }
    }
    __syncthreads();
    const auto state = static_cast<int>(size.state);
    for (int i = static_cast<int>(threadIdx.x); i < tile; i += static_cast<int>(blockDim.x)) {
      const std::int64_t position = first + i / state;
      if (position < size.length) {
        const std::int64_t row = position * size.batch + work.sequence;
        const std::int64_t target = (row * size.groups + work.group) * state + i % state;
        atomicAdd(sums.db + target, db[i]);
        atomicAdd(sums.dc + target, dc[i]);
      }
    }
  }
  dd = Work::sum(dd);
  float head_sum = 0.0F;
#pragma unroll
  for (int i = 0; i < States; ++i) {
    const int n = work.lane + i * lanes;
    if (n < size.state && work.is_real && size.a_size != 1) {
      atomicAdd(gradients.da_log + work.channel * size.a_size + n, da[i] * a[i]);
    }
    head_sum += n < size.state ? da[i] * a[i] : 0.0F;
  }
  head_sum = Work::sum(head_sum);
  if (work.lane == 0 && work.is_real) {
    atomicAdd(gradients.dd + work.head, dd);
    if (size.a_size == 1) {
      atomicAdd(gradients.da_log + work.head, head_sum);
    }
  }
}

/// Sums in fp32 to the key's type; that of dt also through softplus, in place.
template <class T>
__global__ void store_sums(const float* sums, T* target, std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    target[i] = from_float<T>(sums[i]);
  }
}

template <class T>
__global__ void store_steps(float* sums,
                            const T* dt,
                            const float* bias,
                            T* target,
                            std::int64_t heads,
                            std::int64_t items) {
  for (std::int64_t i = first_item(); i < items; i += item_stride()) {
    sums[i] *= sigmoid(to_float(dt[i]) + bias[i % heads]);
    target[i] = from_float<T>(sums[i]);
  }
}

struct StepTerm {
  const float* d_dt;
  std::int64_t heads;

  __device__ void operator()(std::int64_t row, std::int64_t column, float (&sums)[1]) const {
    sums[0] += d_dt[row * heads + column];
  }
};

template <class T, int States>
void start_backward(cudaStream_t stream,
                    const ScanSize& size,
                    const ScanInputs& inputs,
                    const ScanGradients& gradients) {
  const Sums sums = cut(size, gradients.scratch);
  launch_chunk_states(stream, size, inputs, sums.join);
  launch_checkpoints(stream, size, inputs, sums.join, sums.states);
  if (sums.adjoint.states != nullptr) {
    launch(stream, shape_of(size, 1), chunk_gradients<T, States>, size, inputs, gradients, sums);
    launch_join(stream, size, inputs.a_log, sums.adjoint, Direction::backward);
  }
  const std::size_t bytes = (2 * projected_elements(size) + step_elements(size)) * sizeof(float);
  static_cast<void>(cudaMemsetAsync(sums.db, 0, bytes, stream));  // launch errors show later
  launch(stream, shape_of(size, 4), scan_backward<T, States>, size, inputs, gradients, sums);
  const auto projected = static_cast<std::int64_t>(projected_elements(size));
  const auto steps = static_cast<std::int64_t>(step_elements(size));
  const std::int64_t heads = heads_of(size);
  const LaunchShape shape{blocks_for(projected), block_threads};
  launch(stream, shape, store_sums<T>, sums.db, static_cast<T*>(gradients.db), projected);
  launch(stream, shape, store_sums<T>, sums.dc, static_cast<T*>(gradients.dc), projected);
  launch(stream,
         {blocks_for(steps), block_threads},
         store_steps<T>,
         sums.d_dt,
         static_cast<const T*>(inputs.dt),
         inputs.dt_bias,
         static_cast<T*>(gradients.d_dt),
         heads,
         steps);
  add_column_sums<1>(stream,
                     StepTerm{sums.d_dt, heads},
                     {size.batch * size.length, heads},
                     sums.partial,
                     Targets<1>{{gradients.d_dt_bias}});
}

}  // namespace

std::size_t scan_scratch_bytes(const ScanSize& size) {
  return scan_forward_scratch_bytes(size) +
         (join_state_elements(size) + state_elements(size) + 2 * projected_elements(size) +
          step_elements(size)) *
             sizeof(float) +
         column_sum_scratch_bytes(1, size.batch * size.length, heads_of(size));
}

cudaError_t prepare_scan() {
  // Only the largest states take more than the 48 KiB that every kernel may have.
  constexpr int most = static_cast<int>(4 * segment * largest_state * sizeof(float));
  for (const void* kernel : {reinterpret_cast<const void*>(&scan_backward<float, 16>),
                             reinterpret_cast<const void*>(&scan_backward<__nv_bfloat16, 16>)}) {
    const cudaError_t status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
    if (status != cudaSuccess) {
      return status;
    }
  }
  return cudaSuccess;
}

void launch_scan_backward(cudaStream_t stream,
                          const ScanSize& size,
                          const ScanInputs& inputs,
                          const ScanGradients& gradients) {
  with_states(size.state, [&](auto states) {
    if (size.type == DataType::bf16) {
      start_backward<__nv_bfloat16, states>(stream, size, inputs, gradients);
    } else {
      start_backward<float, states>(stream, size, inputs, gradients);
    }
  });
}

}  // namespace forerun::cuda
