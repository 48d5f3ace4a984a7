// Communicator over MPI: each method ends in the MPI call of its name.
#include "comm/mpi/mpi_communicator.hpp"

#include <cstring>
#include <numeric>
#include <vector>

#include "comm/mpi/mpi_state.hpp"

namespace forerun {

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
  const std::size_t bytes = static_cast<std::size_t>(part) * width_of(type);
  const Scratch scratch(in_place ? bytes : 0);
  void* const into = in_place ? scratch.data() : receive;
  // Not MPI_Reduce_scatter_block: of large blocks Open MPI 4.1 and 5.0 send everything to one rank
  // and back there, where MPI_Reduce_scatter goes round the ring.
  const std::vector<int> counts(static_cast<std::size_t>(size()), part);
  FORERUN_MPI_CHECK(MPI_Reduce_scatter(
      send, into, counts.data(), moved_type(type), reduction, state_->handle.comm()));
  if (in_place && part > 0) {
    std::memcpy(receive, scratch.data(), bytes);
  }
}

void MpiCommunicator::all_to_all(const void* send,
                                 void* receive,
                                 std::int64_t count,
                                 DataType type) {
  const int part = state_->countable(count, "all_to_all");
  const MPI_Datatype element = moved_type(type);
  const void* const from = send == receive ? MPI_IN_PLACE : send;
  FORERUN_MPI_CHECK(
      MPI_Alltoall(from, part, element, receive, part, element, state_->handle.comm()));
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
    if (send == receive) {
      FORERUN_MPI_CHECK(MPI_Sendrecv_replace(at(receive, offset, type),
                                             piece,
                                             moved_type(type),
                                             to,
                                             message_tag,
                                             from,
                                             message_tag,
                                             state_->handle.comm(),
                                             MPI_STATUS_IGNORE));
      return;
    }
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
