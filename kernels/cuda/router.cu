// Choice of experts by one warp a token, and the stable counting sort of the choices.
#include "kernels/cuda/device_code.cuh"
#include "kernels/cuda/experts_launch.hpp"

namespace forerun::cuda {

namespace {

constexpr int lane_experts = static_cast<int>(most_experts) / warp_size;
constexpr int sort_threads = 512;  ///< choices that one block counts and ranks

/// A logit and its expert; of equal logits the lower expert is the better.
struct Candidate {
  float logit;
  int expert;
};

__device__ Candidate better(const Candidate& a, const Candidate& b) {
  const bool is_first = a.logit > b.logit || (a.logit == b.logit && a.expert < b.expert);
  return is_first ? a : b;
}

__device__ Candidate best_of_warp(Candidate candidate) {
  for (int offset = warp_size / 2; offset > 0; offset /= 2) {
    const Candidate other{__shfl_xor_sync(0xffffffffU, candidate.logit, offset),
                          __shfl_xor_sync(0xffffffffU, candidate.expert, offset)};
    candidate = better(candidate, other);
  }
  return candidate;
}

/// The best of a lane's experts after `last` in the order of choice.
__device__ Candidate next_of_lane(const float (&logits)[lane_experts],
                                  const Candidate& last,
                                  std::int64_t experts) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  Candidate best{Largest::neutral, static_cast<int>(most_experts)};
#pragma unroll
  for (int i = 0; i < lane_experts; ++i) {
    const Candidate candidate{logits[i], lane + i * warp_size};
    const bool is_left = candidate.logit < last.logit ||
                         (candidate.logit == last.logit && candidate.expert > last.expert);
    if (candidate.expert < experts && is_left) {
      best = better(best, candidate);
    }
  }
  return best;
}

template <class T>
__global__ void route(RouterSize size, const T* logits, float* weights, std::int32_t* chosen) {
  const std::int64_t token = first_item() / warp_size;
  if (token >= size.tokens) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  float own[lane_experts];
#pragma unroll
  for (int i = 0; i < lane_experts; ++i) {
    const int expert = lane + i * warp_size;
    own[i] =
        expert < size.experts ? to_float(logits[token * size.experts + expert]) : Largest::neutral;
  }
  Candidate last{__builtin_huge_valf(), -1};
  float largest = 0.0F;
  float total = 0.0F;
  for (std::int64_t choice = 0; choice < size.top_k; ++choice) {
    last = best_of_warp(next_of_lane(own, last, size.experts));
    largest = choice == 0 ? last.logit : largest;
    const float share = expf(last.logit - largest);
    total += share;
    if (lane == 0) {
      weights[token * size.top_k + choice] = share;
      chosen[token * size.top_k + choice] = last.expert;
    }
  }
  __syncwarp();
  for (std::int64_t choice = lane; choice < size.top_k; choice += warp_size) {
    weights[token * size.top_k + choice] /= total;
  }
}

/// d_logit_i = w_i (d_w_i - sum_j w_j d_w_j) for the chosen, 0 for the others; one warp a token.
template <class T>
__global__ void route_back(RouterSize size, RouterBackward operands) {
  const std::int64_t token = first_item() / warp_size;
  if (token >= size.tokens) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  T* row = static_cast<T*>(operands.d_logits) + token * size.experts;
  const float* weights = operands.weights + token * size.top_k;
  const float* d_weights = operands.d_weights + token * size.top_k;
  float mean = 0.0F;
  for (std::int64_t i = lane; i < size.top_k; i += warp_size) {
    mean += weights[i] * d_weights[i];
  }
  mean = reduce_warp(mean, Sum{});
  for (std::int64_t i = lane; i < size.experts; i += warp_size) {
    row[i] = from_float<T>(0.0F);
  }
  __syncwarp();
  for (std::int64_t i = lane; i < size.top_k; i += warp_size) {
    row[operands.chosen[token * size.top_k + i]] =
        from_float<T>(weights[i] * (d_weights[i] - mean));
  }
}

/// The sum of a warp's values up to and with the own lane's.
__device__ int inclusive_sum(int value) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int offset = 1; offset < warp_size; offset *= 2) {
    const int lower = __shfl_up_sync(0xffffffffU, value, static_cast<unsigned>(offset));
    value += lane >= offset ? lower : 0;
  }
  return value;
}

/// counts[block][expert]: how often the block's choices name the expert.
__global__ void count_choices(std::int64_t choices,
                              std::int64_t experts,
                              const std::int32_t* chosen,
                              std::int32_t* counts) {
  auto* shared = reinterpret_cast<int*>(dynamic_shared());
  for (std::int64_t expert = threadIdx.x; expert < experts; expert += blockDim.x) {
    shared[expert] = 0;
  }
  __syncthreads();
  if (first_item() < choices) {
    atomicAdd(shared + chosen[first_item()], 1);
  }
  __syncthreads();
  for (std::int64_t expert = threadIdx.x; expert < experts; expert += blockDim.x) {
    counts[blockIdx.x * experts + expert] = shared[expert];
  }
}

/// counts[block][expert] becomes how many choices earlier blocks have of the expert, and
/// ends[expert] the count of all blocks; one warp an expert, 32 blocks at a time.
__global__ void scan_counts(std::int64_t blocks,
                            std::int64_t experts,
                            std::int32_t* counts,
                            std::int32_t* ends) {
  const std::int64_t expert = first_item() / warp_size;
  if (expert >= experts) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  int before = 0;
  for (std::int64_t first = 0; first < blocks; first += warp_size) {
    const std::int64_t block = first + lane;
    const int own = block < blocks ? counts[block * experts + expert] : 0;
    const int through = inclusive_sum(own);
    if (block < blocks) {
      counts[block * experts + expert] = before + through - own;
    }
    before += __shfl_sync(0xffffffffU, through, warp_size - 1);
  }
  if (lane == 0) {
    ends[expert] = before;
  }
}

/// ends[expert], a count, becomes the sum of those up to it; one warp for all.
__global__ void scan_ends(std::int64_t experts, std::int32_t* ends) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  int before = 0;
  for (std::int64_t first = 0; first < experts; first += warp_size) {
    const std::int64_t expert = first + lane;
    const int through = before + inclusive_sum(expert < experts ? ends[expert] : 0);
    if (expert < experts) {
      ends[expert] = through;
    }
    before = __shfl_sync(0xffffffffU, through, warp_size - 1);
  }
}

/// A choice's row: the end of the expert before, and one for each earlier choice of its own expert,
/// in earlier blocks (`earlier_blocks`) and in this one.
__global__ void rank_choices(std::int64_t choices,
                             std::int64_t experts,
                             const std::int32_t* chosen,
                             const std::int32_t* earlier_blocks,
                             const std::int32_t* ends,
                             std::int32_t* row_of) {
  __shared__ int own[sort_threads];
  const std::int64_t choice = first_item();
  const int expert = choice < choices ? chosen[choice] : -1;
  own[threadIdx.x] = expert;
  __syncthreads();
  if (choice >= choices) {
    return;
  }
  int earlier = 0;
  for (unsigned i = 0; i < threadIdx.x; ++i) {
    earlier += own[i] == expert ? 1 : 0;
  }
  const int first = expert == 0 ? 0 : ends[expert - 1];
  row_of[choice] = first + earlier_blocks[blockIdx.x * experts + expert] + earlier;
}

unsigned blocks_of_tokens(const RouterSize& size) {
  return static_cast<unsigned>(ceil_div<std::int64_t>(size.tokens * warp_size, block_threads));
}

unsigned sort_blocks(const RouterSize& size) {
  return static_cast<unsigned>(ceil_div<std::int64_t>(size.tokens * size.top_k, sort_threads));
}

}  // namespace

void launch_router_forward(cudaStream_t stream,
                           const RouterSize& size,
                           const void* logits,
                           float* weights,
                           std::int32_t* chosen) {
  const LaunchShape shape{blocks_of_tokens(size), block_threads};
  if (size.type == DataType::bf16) {
    launch(stream,
           shape,
           route<__nv_bfloat16>,
           size,
           static_cast<const __nv_bfloat16*>(logits),
           weights,
           chosen);
  } else {
    launch(stream, shape, route<float>, size, static_cast<const float*>(logits), weights, chosen);
  }
}

void launch_router_backward(cudaStream_t stream,
                            const RouterSize& size,
                            const RouterBackward& operands) {
  const LaunchShape shape{blocks_of_tokens(size), block_threads};
  if (size.type == DataType::bf16) {
    launch(stream, shape, route_back<__nv_bfloat16>, size, operands);
  } else {
    launch(stream, shape, route_back<float>, size, operands);
  }
}

std::size_t expert_sort_scratch_bytes(const RouterSize& size) {
  return static_cast<std::size_t>(sort_blocks(size) * size.experts) * sizeof(std::int32_t);
}

void launch_expert_sort(cudaStream_t stream,
                        const RouterSize& size,
                        const std::int32_t* chosen,
                        std::int32_t* ends,
                        std::int32_t* row_of,
                        std::int32_t* counts) {
  const std::int64_t choices = size.tokens * size.top_k;
  const unsigned blocks = sort_blocks(size);
  const std::size_t shared = static_cast<std::size_t>(size.experts) * sizeof(int);
  launch(
      stream, {blocks, sort_threads, shared}, count_choices, choices, size.experts, chosen, counts);
  launch(stream,
         {static_cast<unsigned>(ceil_div<std::int64_t>(size.experts * warp_size, block_threads)),
          block_threads},
         scan_counts,
         blocks,
         size.experts,
         counts,
         ends);
  launch(stream, {1, warp_size}, scan_ends, size.experts, ends);
  launch(stream,
         {blocks, sort_threads},
         rank_choices,
         choices,
         size.experts,
         chosen,
         counts,
         ends,
         row_of);
}

}  // namespace forerun::cuda
