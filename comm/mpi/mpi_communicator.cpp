// Communicator over MPI: each method ends in the MPI call of its name.
#include "comm/mpi/mpi_communicator.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>

#include <fmt/format.h>
#include <mpi.h>

#include "comm/mpi/bf16_reduction.hpp"
#include "comm/mpi/mpi_check.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// No more MPI calls in destructors: MPI has ended, or an exception is on its way out of this rank.
// Freeing and finalising wait for the other ranks, which may wait for this one; the program ends
// without them, and mpirun ends the others.
bool is_over() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return finalized != 0 || std::uncaught_exceptions() > 0;
}

constexpr int message_tag = 0;

// The most elements of one MPI call: counts are int in MPI 3. A round number below 2^31.
constexpr std::int64_t largest_count = std::int64_t{1} << 30U;

std::size_t width_of(DataType type) {
  return static_cast<std::size_t>(size_of(type).in(unit::byte));
}

// Types of equal width move alike; only reductions look at the numbers.
MPI_Datatype moved_type(DataType type) {
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

// MPI_Init and MPI_Finalize of a program that has not called them itself.
class Environment {
 public:
  Environment() {
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

MPI_Comm copy_of_world() {
  FORERUN_MPI_CHECK(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  MPI_Comm comm = MPI_COMM_NULL;
  FORERUN_MPI_CHECK(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
  return comm;
}

MPI_Comm part_of(MPI_Comm whole, int color, int key) {
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

const std::byte* at(const void* buffer, std::int64_t offset, DataType type) {
  return static_cast<const std::byte*>(buffer) + static_cast<std::size_t>(offset) * width_of(type);
}

std::byte* at(void* buffer, std::int64_t offset, DataType type) {
  return static_cast<std::byte*>(buffer) + static_cast<std::size_t>(offset) * width_of(type);
}

}  // namespace

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
};

MpiCommunicator::MpiCommunicator() : state_(std::make_unique<State>()) {}

MpiCommunicator::MpiCommunicator(std::unique_ptr<State> state) : state_(std::move(state)) {}

MpiCommunicator::~MpiCommunicator() = default;

int MpiCommunicator::rank() const {
  return state_->handle.rank();
}

int MpiCommunicator::size() const {
  return state_->handle.size();
}

std::unique_ptr<Communicator> MpiCommunicator::split(int color, int key) {
  auto state = std::make_unique<State>(part_of(state_->handle.comm(), color, key));
  return std::unique_ptr<Communicator>(new MpiCommunicator(std::move(state)));
}

void MpiCommunicator::barrier() {
  FORERUN_MPI_CHECK(MPI_Barrier(state_->handle.comm()));
}

void MpiCommunicator::all_reduce(
    const void* send, void* receive, std::int64_t count, DataType type, ReduceOp op) {
  const MPI_Op reduction = state_->reduction(type, op);
  in_pieces(count, [&](std::int64_t offset, int piece) {
    const void* const from = send == receive ? MPI_IN_PLACE : at(send, offset, type);
    FORERUN_MPI_CHECK(MPI_Allreduce(from,
                                    at(receive, offset, type),
                                    piece,
                                    moved_type(type),
                                    reduction,
                                    state_->handle.comm()));
  });
}

void MpiCommunicator::all_gather(const void* send,
                                 void* receive,
                                 std::int64_t count,
                                 DataType type) {
  const int part = state_->countable(count, "all_gather");
  const void* const from = send == at(receive, rank() * count, type) ? MPI_IN_PLACE : send;
  const MPI_Datatype element = moved_type(type);
  FORERUN_MPI_CHECK(
      MPI_Allgather(from, part, element, receive, part, element, state_->handle.comm()));
}

void MpiCommunicator::reduce_scatter(const void* send,
                                     void* receive,
                                     std::int64_t count,
                                     DataType type) {
  const int part = state_->countable(count, "reduce_scatter");
  const MPI_Op reduction = state_->reduction(type, ReduceOp::sum);
  const bool in_place = receive == at(send, rank() * count, type);
  // MPI's own in-place form puts the result at the start of the input; ours is NCCL's, in the
  // rank's block, where MPI forbids the overlap: hence a block of scratch.
  std::vector<std::byte> scratch(in_place ? static_cast<std::size_t>(part) * width_of(type) : 0);
  void* const into = in_place ? scratch.data() : receive;
  FORERUN_MPI_CHECK(MPI_Reduce_scatter_block(
      send, into, part, moved_type(type), reduction, state_->handle.comm()));
  if (in_place && part > 0) {
    std::memcpy(receive, scratch.data(), scratch.size());
  }
}

void MpiCommunicator::all_to_all(const void* send,
                                 void* receive,
                                 std::int64_t count,
                                 DataType type) {
  const int part = state_->countable(count, "all_to_all");
  const MPI_Datatype element = moved_type(type);
  FORERUN_MPI_CHECK(
      MPI_Alltoall(send, part, element, receive, part, element, state_->handle.comm()));
}

void MpiCommunicator::broadcast(void* buffer, std::int64_t count, DataType type, int root) {
  in_pieces(count, [&](std::int64_t offset, int piece) {
    FORERUN_MPI_CHECK(
        MPI_Bcast(at(buffer, offset, type), piece, moved_type(type), root, state_->handle.comm()));
  });
}

void MpiCommunicator::start_send(const void* send, std::int64_t count, DataType type, int to) {
  in_pieces(count, [&](std::int64_t offset, int piece) {
    MPI_Request request = MPI_REQUEST_NULL;
    FORERUN_MPI_CHECK(MPI_Isend(at(send, offset, type),
                                piece,
                                moved_type(type),
                                to,
                                message_tag,
                                state_->handle.comm(),
                                &request));
    state_->sends.push_back(request);
  });  // NOLINT(clang-analyzer-optin.mpi.MPI-Checker): finish_sends waits.
}

void MpiCommunicator::receive(void* receive, std::int64_t count, DataType type, int from) {
  in_pieces(count, [&](std::int64_t offset, int piece) {
    FORERUN_MPI_CHECK(MPI_Recv(at(receive, offset, type),
                               piece,
                               moved_type(type),
                               from,
                               message_tag,
                               state_->handle.comm(),
                               MPI_STATUS_IGNORE));
  });
}

// NOLINTNEXTLINE(readability-function-size): the sixth parameter is MPI\'s own.
void MpiCommunicator::send_receive(
    const void* send, int to, void* receive, int from, std::int64_t count, DataType type) {
  in_pieces(count, [&](std::int64_t offset, int piece) {
    FORERUN_MPI_CHECK(MPI_Sendrecv(at(send, offset, type),
                                   piece,
                                   moved_type(type),
                                   to,
                                   message_tag,
                                   at(receive, offset, type),
                                   piece,
                                   moved_type(type),
                                   from,
                                   message_tag,
                                   state_->handle.comm(),
                                   MPI_STATUS_IGNORE));
  });
}

void MpiCommunicator::finish_sends() {
  std::vector<MPI_Request> sends;
  sends.swap(state_->sends);
  FORERUN_MPI_CHECK(MPI_Waitall(static_cast<int>(sends.size()), sends.data(), MPI_STATUSES_IGNORE));
}

std::vector<std::string> MpiCommunicator::all_gather_text(const std::string& text) {
  const auto ranks = static_cast<std::size_t>(size());
  const auto length = static_cast<int>(text.size());
  std::vector<int> lengths(ranks);
  FORERUN_MPI_CHECK(
      MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, state_->handle.comm()));
  std::vector<int> starts(ranks);
  std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), 0);
  std::string all(static_cast<std::size_t>(starts.back() + lengths.back()), '\0');
  FORERUN_MPI_CHECK(MPI_Allgatherv(text.data(),
                                   length,
                                   MPI_CHAR,
                                   all.data(),
                                   lengths.data(),
                                   starts.data(),
                                   MPI_CHAR,
                                   state_->handle.comm()));
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < ranks; ++i) {
    texts.push_back(
        all.substr(static_cast<std::size_t>(starts[i]), static_cast<std::size_t>(lengths[i])));
  }
  return texts;
}

}  // namespace forerun
