// What an MPI communicator owns: MPI itself, a communicator, reductions of its own, what is in
// flight.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <mpi.h>

#include "comm/communicator.hpp"
#include "comm/mpi/bf16_reduction.hpp"
#include "comm/mpi/kept_memory.hpp"
#include "comm/mpi/mpi_check.hpp"
#include "comm/mpi/mpi_communicator.hpp"
#include "units/unit.hpp"

namespace forerun {

// No more MPI calls in destructors: MPI has ended, or an exception is on its way out of this rank.
// Freeing and finalising wait for the other ranks, which may wait for this one; the program ends
// without them, and mpirun ends the others.
inline bool is_over() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return finalized != 0 || std::uncaught_exceptions() > 0;
}

inline constexpr int message_tag = 0;
inline constexpr int ring_tag = 1;  // of exchanges that run in the background

// The most elements of one MPI call: counts are int in MPI 3. A round number below 2^31.
inline constexpr std::int64_t largest_count = std::int64_t{1} << 30U;

inline std::size_t width_of(DataType type) {
  return static_cast<std::size_t>(size_of(type).in(unit::byte));
}

// Types of equal width move alike; only reductions look at the numbers.
inline MPI_Datatype moved_type(DataType type) {
  switch (type) {
    case DataType::bf16:
    case DataType::fp16:
      return MPI_UINT16_T;
    case DataType::fp32:
      return MPI_FLOAT;
    case DataType::int32:
      return MPI_INT32_T;
    case DataType::fp8_e4m3:
    case DataType::fp8_e5m2:
    case DataType::uint8:
      return MPI_UINT8_T;
  }
  return MPI_DATATYPE_NULL;
}

// MPI's signature for user functions.
template <auto Reduce>
// NOLINTNEXTLINE(readability-non-const-parameter): MPI passes a pointer to int.
void reduce_bf16(void* from, void* into, int* count, MPI_Datatype* /*type*/) {
  const auto length = static_cast<std::size_t>(*count);
  Reduce(std::span(static_cast<const std::uint16_t*>(from), length),
         std::span(static_cast<std::uint16_t*>(into), length));
}

// A user-defined reduction, freed with its owner.
class ReductionHandle {
 public:
  explicit ReductionHandle(MPI_User_function* function) {
    FORERUN_MPI_CHECK(MPI_Op_create(function, 1, &op_));
  }

  ReductionHandle(const ReductionHandle&) = delete;
  ReductionHandle& operator=(const ReductionHandle&) = delete;
  ReductionHandle(ReductionHandle&&) = delete;
  ReductionHandle& operator=(ReductionHandle&&) = delete;

  ~ReductionHandle() {
    if (!is_over()) {
      MPI_Op_free(&op_);
    }
  }

  [[nodiscard]] MPI_Op op() const { return op_; }

 private:
  MPI_Op op_ = MPI_OP_NULL;
};

// MPI_Init and MPI_Finalize of a program that has not called them itself; memory as MPI needs it.
class Environment {
 public:
  Environment() {
    keep_freed_memory();
    int initialized = 0;
    FORERUN_MPI_CHECK(MPI_Initialized(&initialized));
    if (initialized == 0) {
      int provided = 0;
      FORERUN_MPI_CHECK(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
      finalizes_ = true;
    }
  }

  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  Environment(Environment&&) = delete;
  Environment& operator=(Environment&&) = delete;

  ~Environment() {
    if (finalizes_ && !is_over()) {
      MPI_Finalize();
    }
  }

 private:
  bool finalizes_ = false;
};

// An owned MPI_Comm whose calls return their error codes.
class CommHandle {
 public:
  explicit CommHandle(MPI_Comm comm) : comm_(comm) {
    FORERUN_MPI_CHECK(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    FORERUN_MPI_CHECK(MPI_Comm_rank(comm_, &rank_));
    FORERUN_MPI_CHECK(MPI_Comm_size(comm_, &size_));
  }

  CommHandle(const CommHandle&) = delete;
  CommHandle& operator=(const CommHandle&) = delete;
  CommHandle(CommHandle&&) = delete;
  CommHandle& operator=(CommHandle&&) = delete;

  ~CommHandle() {
    if (!is_over()) {
      MPI_Comm_free(&comm_);
    }
  }

  [[nodiscard]] MPI_Comm comm() const { return comm_; }

  [[nodiscard]] int rank() const { return rank_; }

  [[nodiscard]] int size() const { return size_; }

 private:
  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 1;
};

inline MPI_Comm copy_of_world() {
  FORERUN_MPI_CHECK(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  MPI_Comm comm = MPI_COMM_NULL;
  FORERUN_MPI_CHECK(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
  return comm;
}

inline MPI_Comm part_of(MPI_Comm whole, int color, int key) {
  MPI_Comm part = MPI_COMM_NULL;
  FORERUN_MPI_CHECK(MPI_Comm_split(whole, color, key, &part));
  return part;
}

// Calls `act(offset, count)` for pieces that an int can count.
template <typename Act>
void in_pieces(std::int64_t count, Act act) {
  std::int64_t offset = 0;
  do {
    const std::int64_t piece = std::min(count - offset, largest_count);
    act(offset, static_cast<int>(piece));
    offset += piece;
  } while (offset < count);
}

inline const std::byte* at(const void* buffer, std::int64_t offset, DataType type) {
  return static_cast<const std::byte*>(buffer) + static_cast<std::size_t>(offset) * width_of(type);
}

inline std::byte* at(void* buffer, std::int64_t offset, DataType type) {
  return static_cast<std::byte*>(buffer) + static_cast<std::size_t>(offset) * width_of(type);
}

// Memory that is written before it is read: not cleared, as that takes as long as a copy.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : memory_(::operator new(bytes)) {}

  [[nodiscard]] void* data() const { return memory_.get(); }

 private:
  struct Release {
    void operator()(void* memory) const noexcept { ::operator delete(memory); }
  };

  std::unique_ptr<void, Release> memory_;
};

// What a started collective leaves beside its place, and where it belongs when it is finished.
struct Landing {
  Scratch from;
  void* to = nullptr;
  std::size_t bytes = 0;
};

// Members are destroyed from the last to the first: MPI is finalised when all else is gone.
struct MpiCommunicator::State {
  State() : handle(copy_of_world()) {}

  explicit State(MPI_Comm comm) : handle(comm) {}

  [[nodiscard]] MPI_Op reduction(DataType type, ReduceOp op) const {
    if (type == DataType::bf16) {
      return op == ReduceOp::sum ? bf16_sum.op() : bf16_max.op();
    }
    if (type != DataType::fp32 && type != DataType::int32) {
      throw std::runtime_error(fmt::format(
          "rank {}: MPI reduces bf16, fp32 and int32, not {}", handle.rank(), name_of(type)));
    }
    return op == ReduceOp::sum ? MPI_SUM : MPI_MAX;
  }

  // `count` as an int, if the parts of all ranks together are countable: Open MPI 4.1 multiplies
  // counts and ranks in int.
  [[nodiscard]] int countable(std::int64_t count, const char* call) const {
    if (count > std::numeric_limits<int>::max() / handle.size()) {
      throw std::runtime_error(
          fmt::format("rank {}: {} of {} elements by {} ranks is more than MPI counts (2^31 - 1)",
                      handle.rank(),
                      call,
                      count,
                      handle.size()));
    }
    return static_cast<int>(count);
  }

  Environment environment;
  CommHandle handle;
  ReductionHandle bf16_sum{reduce_bf16<add_bf16>};
  ReductionHandle bf16_max{reduce_bf16<max_bf16>};
  std::vector<MPI_Request> sends;
  std::vector<MPI_Request> collectives;
  std::vector<Landing> landings;
};

}  // namespace forerun
