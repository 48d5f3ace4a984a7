// Unequal exchanges, and collectives that run while the rank does something else.
#include <cstring>
#include <numeric>

#include "comm/mpi/mpi_communicator.hpp"
#include "comm/mpi/mpi_state.hpp"

namespace forerun {
namespace {

// Counts and offsets of the blocks of all ranks, as MPI wants them.
struct Blocks {
  std::vector<int> counts;
  std::vector<int> starts;
};

Blocks blocks_of(std::span<const std::int64_t> counts, int rank) {
  Blocks blocks;
  std::int64_t start = 0;
  for (const std::int64_t count : counts) {
    if (count < 0 || start + count > std::numeric_limits<int>::max()) {
      throw std::runtime_error(fmt::format(
          "rank {}: all_to_all_v of {} elements after {} is more than MPI counts (2^31 - 1)",
          rank,
          count,
          start));
    }
    blocks.counts.push_back(static_cast<int>(count));
    blocks.starts.push_back(static_cast<int>(start));
    start += count;
  }
  return blocks;
}

// NOLINTBEGIN(clang-analyzer-optin.mpi.MPI-Checker): finish_collectives waits.
// From the rank before, to the next.
void start_around_ring(const CollectiveCall& call,
                       MPI_Comm comm,
                       std::vector<MPI_Request>& started) {
  int rank = 0;
  int size = 1;
  FORERUN_MPI_CHECK(MPI_Comm_rank(comm, &rank));
  FORERUN_MPI_CHECK(MPI_Comm_size(comm, &size));
  const int next = (rank + 1) % size;
  const int previous = (rank + size - 1) % size;
  in_pieces(call.count, [&](std::int64_t offset, int piece) {
    const MPI_Datatype element = moved_type(call.type);
    void* const to = at(call.receive, offset, call.type);
    const void* const from = at(call.send, offset, call.type);
    MPI_Request request = MPI_REQUEST_NULL;
    FORERUN_MPI_CHECK(MPI_Irecv(to, piece, element, previous, ring_tag, comm, &request));
    started.push_back(request);
    FORERUN_MPI_CHECK(MPI_Isend(from, piece, element, next, ring_tag, comm, &request));
    started.push_back(request);
  });
}

MPI_Request start_all_gather(const CollectiveCall& call, int part, MPI_Comm comm) {
  int rank = 0;
  FORERUN_MPI_CHECK(MPI_Comm_rank(comm, &rank));
  const bool in_place = call.send == at(call.receive, rank * call.count, call.type);
  const MPI_Datatype element = moved_type(call.type);
  MPI_Request request = MPI_REQUEST_NULL;
  FORERUN_MPI_CHECK(MPI_Iallgather(in_place ? MPI_IN_PLACE : call.send,
                                   part,
                                   element,
                                   call.receive,
                                   part,
                                   element,
                                   comm,
                                   &request));
  return request;
}

// NOLINTEND(clang-analyzer-optin.mpi.MPI-Checker)

// The memory that a reduce-scatter writes to: scratch where it is in place (mpi_communicator.cpp),
// from which it lands when it is finished.
void* landing_of(const CollectiveCall& call, int rank, std::vector<Landing>& landings) {
  if (call.receive != at(call.send, rank * call.count, call.type)) {
    return call.receive;
  }
  const std::size_t bytes = static_cast<std::size_t>(call.count) * width_of(call.type);
  landings.push_back({Scratch(bytes), call.receive, bytes});
  return landings.back().from.data();
}

}  // namespace

void MpiCommunicator::all_to_all_v(const void* send,
                                   std::span<const std::int64_t> send_counts,
                                   void* receive,
                                   std::span<const std::int64_t> receive_counts,
                                   DataType type) {
  const Blocks out = blocks_of(send_counts, rank());
  const Blocks in = blocks_of(receive_counts, rank());
  const MPI_Datatype element = moved_type(type);
  FORERUN_MPI_CHECK(MPI_Alltoallv(send,
                                  out.counts.data(),
                                  out.starts.data(),
                                  element,
                                  receive,
                                  in.counts.data(),
                                  in.starts.data(),
                                  element,
                                  state_->handle.comm()));
}

// NOLINTBEGIN(clang-analyzer-optin.mpi.MPI-Checker): finish_collectives waits.
void MpiCommunicator::start_collective(const CollectiveCall& call) {
  const MPI_Comm comm = state_->handle.comm();
  if (call.op == Collective::all_reduce) {
    in_pieces(call.count, [&](std::int64_t offset, int piece) {
      MPI_Request request = MPI_REQUEST_NULL;
      const void* const from =
          call.send == call.receive ? MPI_IN_PLACE : at(call.send, offset, call.type);
      FORERUN_MPI_CHECK(MPI_Iallreduce(from,
                                       at(call.receive, offset, call.type),
                                       piece,
                                       moved_type(call.type),
                                       state_->reduction(call.type, ReduceOp::sum),
                                       comm,
                                       &request));
      state_->collectives.push_back(request);
    });
    return;
  }
  if (call.op == Collective::send_recv) {
    start_around_ring(call, comm, state_->collectives);
    return;
  }
  const int part = state_->countable(call.count, "start_collective");
  const MPI_Datatype element = moved_type(call.type);
  MPI_Request request = MPI_REQUEST_NULL;
  switch (call.op) {
    case Collective::all_gather:
      request = start_all_gather(call, part, comm);
      break;
    case Collective::reduce_scatter:
      FORERUN_MPI_CHECK(MPI_Ireduce_scatter_block(call.send,
                                                  landing_of(call, rank(), state_->landings),
                                                  part,
                                                  element,
                                                  state_->reduction(call.type, ReduceOp::sum),
                                                  comm,
                                                  &request));
      break;
    case Collective::all_to_all:
      FORERUN_MPI_CHECK(
          MPI_Ialltoall(call.send, part, element, call.receive, part, element, comm, &request));
      break;
    case Collective::all_reduce:  // above
    case Collective::send_recv:
    case Collective::broadcast:
      throw std::runtime_error(
          fmt::format("rank {}: {} does not run in the background", rank(), name_of(call.op)));
  }
  state_->collectives.push_back(request);
}

// NOLINTEND(clang-analyzer-optin.mpi.MPI-Checker)

void MpiCommunicator::finish_collectives() {
  std::vector<MPI_Request> requests;
  requests.swap(state_->collectives);
  FORERUN_MPI_CHECK(
      MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE));
  for (const Landing& landing : state_->landings) {
    std::memcpy(landing.to, landing.from.data(), landing.bytes);
  }
  state_->landings.clear();
}

}  // namespace forerun
