// Blocks of fibers with their barriers, and the part of the CUDA runtime that our kernels need.
#include "tests/fake/cuda_emulator.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <stdexcept>
#include <vector>

#include <cuda_bf16.h>

#include "tests/fake/fiber.hpp"

// The kernel language has variables and arrays of such kinds, its runtime such memory.
// NOLINTBEGIN(*-global-variables, *-c-arrays, *-no-malloc, *-using-namespace)
EmulatedIndex threadIdx;
EmulatedIndex blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace forerun::emulated {
namespace {

constexpr unsigned warp = 32;

enum class State { ready, at_block_barrier, at_warp_barrier, gone };

struct Thread {
  Fiber fiber;
  State state = State::gone;
  unsigned mask = 0;
  unsigned exchanges = 0;
  EmulatedIndex index;
};

/// Two sets of slots, used in turn: a lane that writes the next value has left the barrier of this
/// one, so every lane has read the one before.
using Slots = std::array<std::array<std::uint64_t, warp>, 2>;

class Block {
 public:
  void run(dim3 threads, const std::function<void()>& thread) {
    start(threads, thread);
    while (step()) {
    }
  }

  ThreadOrder order = ThreadOrder::forward;
  std::vector<std::byte> shared;

  void wait(State state, unsigned mask) {
    Thread& thread = threads_[current_];
    thread.state = state;
    thread.mask = mask;
    thread.fiber.pause();
  }

  const std::uint64_t* exchange(unsigned mask, std::uint64_t value) {
    auto& slots = slots_[current_ / warp][threads_[current_].exchanges++ % 2];
    slots[current_ % warp] = value;
    wait(State::at_warp_barrier, mask);
    return slots.data();
  }

  [[nodiscard]] unsigned lane() const { return current_ % warp; }

 private:
  void start(dim3 threads, const std::function<void()>& thread) {
    count_ = threads.x * threads.y * threads.z;
    while (threads_.size() < count_) {
      threads_.emplace_back();
    }
    slots_.resize((count_ + warp - 1) / warp);
    for (unsigned i = 0; i < count_; ++i) {
      threads_[i].fiber.start(thread);
      threads_[i].state = State::ready;
      threads_[i].exchanges = 0;
      threads_[i].index = {i % threads.x, i / threads.x % threads.y, i / (threads.x * threads.y)};
    }
  }

  /// Runs each warp as far as it gets alone, so that none keeps step with another but by barriers
  /// of the block; then opens that barrier.
  bool step() {
    bool has_run = false;
    const unsigned warps = (count_ + warp - 1) / warp;
    for (unsigned i = 0; i < warps; ++i) {
      const unsigned first = (order == ThreadOrder::forward ? i : warps - 1 - i) * warp;
      do {
        has_run = run_warp(first) || has_run;
      } while (open_warp_barrier(first));
    }
    const bool has_opened = open_block_barrier();
    if (!has_run && !has_opened && !is_done()) {
      throw std::logic_error("threads of a block wait at different barriers");
    }
    return !is_done();
  }

  bool run_warp(unsigned first) {
    bool has_run = false;
    const unsigned threads = std::min(warp, count_ - first);
    for (unsigned i = 0; i < threads; ++i) {
      current_ = first + (order == ThreadOrder::forward ? i : threads - 1 - i);
      Thread& thread = threads_[current_];
      if (thread.state == State::ready) {
        threadIdx = thread.index;
        thread.fiber.resume();
        if (thread.fiber.is_done()) {
          thread.state = State::gone;
        }
        has_run = true;
      }
    }
    return has_run;
  }

  [[nodiscard]] bool is_done() const {
    return std::all_of(threads_.begin(), threads_.begin() + count_, [](const Thread& thread) {
      return thread.state == State::gone;
    });
  }

  bool open_warp_barrier(unsigned first) {
    bool has_opened = false;
    for (unsigned lane = 0; lane < warp && first + lane < count_; ++lane) {
      const Thread& thread = threads_[first + lane];
      if (thread.state == State::at_warp_barrier && is_complete(first, lane, thread.mask)) {
        const unsigned mask = thread.mask;
        for (unsigned other = 0; other < warp; ++other) {
          if ((mask >> other & 1U) != 0) {
            threads_[first + other].state = State::ready;
          }
        }
        has_opened = true;
      }
    }
    return has_opened;
  }

  bool is_complete(unsigned first, unsigned own_lane, unsigned mask) {
    if ((mask >> own_lane & 1U) == 0) {
      throw std::logic_error("a thread waits at a warp's barrier whose mask leaves it out");
    }
    for (unsigned lane = 0; lane < warp; ++lane) {
      if ((mask >> lane & 1U) == 0) {
        continue;
      }
      if (first + lane >= count_ || threads_[first + lane].state == State::gone) {
        throw std::logic_error("a warp's barrier names a thread that is gone");
      }
      const Thread& thread = threads_[first + lane];
      if (thread.state != State::at_warp_barrier || thread.mask != mask) {
        return false;
      }
    }
    return true;
  }

  bool open_block_barrier() {
    bool is_waited_for = false;
    for (unsigned i = 0; i < count_; ++i) {
      if (threads_[i].state == State::at_warp_barrier || threads_[i].state == State::ready) {
        return false;
      }
      is_waited_for = is_waited_for || threads_[i].state == State::at_block_barrier;
    }
    for (unsigned i = 0; i < count_ && is_waited_for; ++i) {
      if (threads_[i].state == State::at_block_barrier) {
        threads_[i].state = State::ready;
      }
    }
    return is_waited_for;
  }

  std::deque<Thread> threads_;
  std::vector<Slots> slots_;
  unsigned count_ = 0;
  unsigned current_ = 0;
};

Block& block() {
  static Block the_block;
  return the_block;
}

float bf16_of(unsigned pair, unsigned index) {
  return std::bit_cast<float>(index == 0 ? pair << 16U : pair & 0xffff0000U);
}

/// The warp's registers: [register][lane].
template <std::size_t Registers>
using WarpRegisters = std::array<std::array<unsigned, warp>, Registers>;

template <std::size_t Registers>
WarpRegisters<Registers> registers_of_warp(const unsigned (&own)[Registers]) {
  WarpRegisters<Registers> all{};
  for (std::size_t i = 0; i < Registers; ++i) {
    const std::uint64_t* values = exchange(0xffffffffU, own[i]);
    for (unsigned lane = 0; lane < warp; ++lane) {
      all[i][lane] = static_cast<unsigned>(values[lane]);
    }
  }
  return all;
}

/// Element (row, k) of A, 16 x 16.
float a_element(const WarpRegisters<4>& a, unsigned row, unsigned k) {
  return bf16_of(a[row / 8 + k / 8 * 2][row % 8 * 4 + k % 8 / 2], k % 2);
}

/// Element (k, column) of B, 16 x 8.
float b_element(const WarpRegisters<2>& b, unsigned k, unsigned column) {
  return bf16_of(b[k / 8][column * 4 + k % 8 / 2], k % 2);
}

/// Bytes before and behind each allocation: a kernel that writes there is found at the end.
constexpr std::size_t guard_bytes = 1024;
constexpr std::byte guard_value{0xff};

std::map<void*, std::size_t>& allocations() {
  static std::map<void*, std::size_t> sizes;
  return sizes;
}

int overrun_count = 0;

/// Dynamic shared memory of a block, and what cudaFuncSetAttribute can raise it to (compute
/// capability 8.0: 163 KiB).
constexpr std::size_t shared_without_asking = std::size_t{48} * 1024;
constexpr std::size_t shared_of_ampere = std::size_t{163} * 1024;

std::map<const void*, std::size_t>& shared_limits() {
  static std::map<const void*, std::size_t> limits;
  return limits;
}

bool is_guard(const std::byte* first, std::size_t bytes) {
  return std::all_of(first, first + bytes, [](std::byte b) { return b == guard_value; });
}

}  // namespace

void set_thread_order(ThreadOrder order) {
  block().order = order;
}

int overruns() {
  return overrun_count;
}

void run_grid(const void* kernel, const GridShape& grid, const std::function<void()>& thread) {
  const auto& [blocks, threads, shared_bytes] = grid;
  constexpr unsigned most_threads = 1024;
  constexpr unsigned most_blocks = 65535;
  if (threads.x * threads.y * threads.z > most_threads || blocks.y > most_blocks ||
      blocks.z > most_blocks || blocks.x * blocks.y * blocks.z == 0) {
    throw std::logic_error("no GPU takes a grid of this shape");
  }
  const auto allowed = shared_limits().find(kernel);
  if (shared_bytes > (allowed != shared_limits().end() ? allowed->second : shared_without_asking)) {
    throw std::logic_error("more dynamic shared memory than the kernel was allowed");
  }
  gridDim = blocks;
  blockDim = threads;
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) {
        blockIdx = {x, y, z};
        block().shared.assign(shared_bytes, guard_value);
        block().run(threads, thread);
      }
    }
  }
}

void wait_for_block() {
  block().wait(State::at_block_barrier, 0);
}

void wait_for_warp(unsigned mask) {
  block().wait(State::at_warp_barrier, mask);
}

std::byte* dynamic_shared_memory() {
  return block().shared.data();
}

const std::uint64_t* exchange(unsigned mask, std::uint64_t value) {
  return block().exchange(mask, value);
}

unsigned lane() {
  return block().lane();
}

}  // namespace forerun::emulated

namespace forerun::cuda {

void multiply_add(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  const auto all_a = emulated::registers_of_warp(a);
  const auto all_b = emulated::registers_of_warp(b);
  const unsigned lane = emulated::lane();
  for (unsigned e = 0; e < 4; ++e) {
    for (unsigned k = 0; k < 16; ++k) {
      c[e] += emulated::a_element(all_a, lane / 4 + e / 2 * 8, k) *
              emulated::b_element(all_b, k, lane % 4 * 2 + e % 2);
    }
  }
}

}  // namespace forerun::cuda

// In place of the runtime's own: device memory is the host's, and every call is done at once.
extern "C" {

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  using namespace forerun::emulated;
  constexpr std::size_t alignment = 256;
  const std::size_t whole = 2 * guard_bytes + bytes;
  auto* all = static_cast<std::byte*>(
      std::aligned_alloc(alignment, (whole + alignment - 1) / alignment * alignment));
  if (all == nullptr) {
    return cudaErrorMemoryAllocation;
  }
  std::memset(all, static_cast<int>(guard_value), whole);
  *memory = all + guard_bytes;
  allocations()[*memory] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  using namespace forerun::emulated;
  const auto found = allocations().find(memory);
  if (found == allocations().end()) {
    return memory == nullptr ? cudaSuccess : cudaErrorInvalidValue;
  }
  auto* first = static_cast<std::byte*>(memory);
  if (!is_guard(first - guard_bytes, guard_bytes) ||
      !is_guard(first + found->second, guard_bytes)) {
    ++overrun_count;
  }
  allocations().erase(found);
  std::free(first - guard_bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to,
                            const void* from,
                            std::size_t bytes,
                            cudaMemcpyKind /*kind*/,
                            cudaStream_t /*stream*/) {
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t /*stream*/) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t /*error*/) {
  return "error of the emulated runtime";
}

const char* cudaGetErrorString(cudaError_t error) {
  return cudaGetErrorName(error);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  using namespace forerun::emulated;
  const auto bytes = static_cast<std::size_t>(value);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || bytes > shared_of_ampere) {
    return cudaErrorInvalidValue;
  }
  shared_limits()[kernel] = bytes;
  return cudaSuccess;
}
}
// NOLINTEND(*-global-variables, *-c-arrays, *-no-malloc, *-using-namespace)
