// The state-space recurrences forward.
#include "kernels/cuda/scan.cuh"

namespace forerun::cuda {

using namespace scan;

namespace {

/// What a run over a chunk is for.
enum class Purpose {
  outputs,      ///< y
  checkpoints,  ///< the state before every segment
  chunk_ends    ///< what the chunk adds to a state of zero, and the sum of its steps
};

template <class T, int States, Purpose Wanted>
__global__ void scan_forward(
    ScanSize size, ScanInputs inputs, Join join, T* y, float* checkpoints) {
  auto* b = reinterpret_cast<float*>(dynamic_shared());
  float* c = b + segment * size.state;
  const Work work(size);
  float a[States];
  load_decay(a, size, inputs, work);
  const float skip = inputs.d[work.head];
  float h[States] = {};
  if (Wanted != Purpose::chunk_ends && join.states != nullptr) {
    each_state<States>(
        size, work, [&](int i, int n) { h[i] = join.states[chunk_index(size, work) + n]; });
  }
  float steps = 0.0F;
  for (std::int64_t first = work.first; first < work.end; first += segment) {
    const auto own = Position::load<T>(size, inputs, work, first);
    steps += own.dt;
    __syncthreads();
    load_projected<T>(b, inputs.b, size, work, first);
    if (Wanted == Purpose::outputs) {
      load_projected<T>(c, inputs.c, size, work, first);
    }
    __syncthreads();
    if (Wanted == Purpose::checkpoints && work.is_real) {
      each_state<States>(size, work, [&](int i, int n) {
        checkpoints[state_index(size, work, first) + n] = h[i];
      });
    }
    float result = 0.0F;
    for (int position = 0; position < segment; ++position) {
      const float dt = work.held_by(own.dt, position);
      const float step = dt * work.held_by(own.x, position);
      const float shared_decay = size.a_size == 1 ? expf(dt * a[0]) : 0.0F;
      float product = 0.0F;
      each_state<States>(size, work, [&](int i, int n) {
        const float decay = size.a_size == 1 ? shared_decay : expf(dt * a[i]);
        h[i] = decay * h[i] + step * b[position * size.state + n];
        if (Wanted == Purpose::outputs) {
          product += h[i] * c[position * size.state + n];
        }
      });
      if (Wanted == Purpose::outputs) {
        product = Work::sum(product);
        result = position == work.lane ? product : result;
      }
    }
    if (Wanted == Purpose::outputs && work.is_real && own.is_real) {
      const std::int64_t at = own.row * size.channels + work.channel;
      result += skip * own.x;
      if (inputs.z != nullptr) {
        const float z = element<T>(inputs.z, at);
        result *= z * sigmoid(z);
      }
      y[at] = from_float<T>(result);
    }
  }
  if (Wanted == Purpose::chunk_ends) {
    steps = Work::sum(steps);
    if (work.is_real) {
      each_state<States>(
          size, work, [&](int i, int n) { join.states[chunk_index(size, work) + n] = h[i]; });
      if (work.lane == 0 && work.channel % size.head_size == 0) {
        join.steps[(work.chunk * size.batch + work.sequence) * (size.channels / size.head_size) +
                   work.head] = steps;
      }
    }
  }
}

/// One thread for a state of a channel of a sequence.
__global__ void join_chunks(
    ScanSize size, const float* a_log, Join join, std::int64_t chunks, Direction direction) {
  const std::int64_t states = size.channels * size.state;
  const std::int64_t heads = size.channels / size.head_size;
  const std::int64_t items = size.batch * states;
  for (std::int64_t item = first_item(); item < items; item += item_stride()) {
    const std::int64_t sequence = item / states;
    const std::int64_t channel = item % states / size.state;
    const std::int64_t head = channel / size.head_size;
    const std::int64_t parameter =
        size.a_size == 1 ? head : channel * size.a_size + item % size.state;
    const float a = -expf(a_log[parameter]);
    float carry = 0.0F;
    for (std::int64_t i = 0; i < chunks; ++i) {
      const std::int64_t chunk = direction == Direction::forward ? i : chunks - 1 - i;
      float& here = join.states[chunk * items + item];
      const float own = here;
      here = carry;
      carry = expf(a * join.steps[(chunk * size.batch + sequence) * heads + head]) * carry + own;
    }
  }
}

template <Purpose Wanted>
void start(cudaStream_t stream,
           const ScanSize& size,
           const ScanInputs& inputs,
           const Join& join,
           void* y,
           float* checkpoints) {
  with_states(size.state, [&](auto count) {
    if (size.type == DataType::bf16) {
      launch(stream,
             shape_of(size, 2),
             scan_forward<__nv_bfloat16, count, Wanted>,
             size,
             inputs,
             join,
             static_cast<__nv_bfloat16*>(y),
             checkpoints);
    } else {
      launch(stream,
             shape_of(size, 2),
             scan_forward<float, count, Wanted>,
             size,
             inputs,
             join,
             static_cast<float*>(y),
             checkpoints);
    }
  });
}

}  // namespace

std::int64_t scan_chunk(std::int64_t wanted, std::int64_t length) {
  return rounded_up<std::int64_t>(std::min(wanted, length), segment);
}

std::size_t scan_forward_scratch_bytes(const ScanSize& size) {
  return (join_state_elements(size) + join_step_elements(size)) * sizeof(float);
}

void scan::launch_join(cudaStream_t stream,
                       const ScanSize& size,
                       const float* a_log,
                       const Join& join,
                       Direction direction) {
  launch(stream,
         {blocks_for(size.batch * size.channels * size.state), block_threads},
         join_chunks,
         size,
         a_log,
         join,
         chunks_of(size),
         direction);
}

void scan::launch_chunk_states(cudaStream_t stream,
                               const ScanSize& size,
                               const ScanInputs& inputs,
                               const Join& join) {
  if (join.states != nullptr) {
    start<Purpose::chunk_ends>(stream, size, inputs, join, nullptr, nullptr);
    launch_join(stream, size, inputs.a_log, join, Direction::forward);
  }
}

void scan::launch_checkpoints(cudaStream_t stream,
                              const ScanSize& size,
                              const ScanInputs& inputs,
                              const Join& join,
                              float* states) {
  start<Purpose::checkpoints>(stream, size, inputs, join, nullptr, states);
}

void launch_scan_forward(
    cudaStream_t stream, const ScanSize& size, const ScanInputs& inputs, void* y, float* scratch) {
  const Join join = join_at(size, scratch);
  launch_chunk_states(stream, size, inputs, join);
  start<Purpose::outputs>(stream, size, inputs, join, y, nullptr);
}

}  // namespace forerun::cuda
