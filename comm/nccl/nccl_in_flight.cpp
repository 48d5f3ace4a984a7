// Unequal exchanges, collectives on a stream of their own, and NCCL's own expectation.
#include <fmt/format.h>

#include "comm/nccl/nccl_communicator.hpp"
#include "comm/nccl/nccl_types.hpp"

namespace forerun::nccl {

namespace {

const void* at(const void* buffer, std::int64_t offset, DataType type) {
  return static_cast<const std::byte*>(buffer) +
         elements(offset) * static_cast<std::size_t>(size_of(type).in(unit::byte));
}

}  // namespace

// One group of messages: NCCL has no call for unequal counts.
void NcclCommunicator::all_to_all_v(const void* send,
                                    std::span<const std::int64_t> send_counts,
                                    void* receive,
                                    std::span<const std::int64_t> receive_counts,
                                    DataType type) {
  const auto site = FORERUN_NCCL_SITE(ncclSend and ncclRecv, rank());
  up_.settle(site);
  FORERUN_NCCL_CHECK(ncclGroupStart(), rank());
  ncclResult_t worst = ncclSuccess;
  const auto note = [&worst](ncclResult_t result) {
    if (result != ncclSuccess && result != ncclInProgress) {
      worst = result;
    }
  };
  std::int64_t sent = 0;
  std::int64_t received = 0;
  for (int peer = 0; peer < size(); ++peer) {
    const std::int64_t out = send_counts[static_cast<std::size_t>(peer)];
    const std::int64_t in = receive_counts[static_cast<std::size_t>(peer)];
    if (out > 0) {
      note(
          ncclSend(at(send, sent, type), elements(out), nccl_type(type), peer, up_.raw(), stream_));
    }
    if (in > 0) {
      note(ncclRecv(const_cast<void*>(at(receive, received, type)),
                    elements(in),
                    nccl_type(type),
                    peer,
                    up_.raw(),
                    stream_));
    }
    sent += out;
    received += in;
  }
  const ncclResult_t ended = ncclGroupEnd();
  up_.settle(worst == ncclSuccess ? ended : worst, site);
}

ncclResult_t NcclCommunicator::enqueue(const CollectiveCall& call,
                                       ncclComm_t comm,
                                       cudaStream_t stream) const {
  const std::size_t count = elements(call.count);
  const ncclDataType_t type = nccl_type(call.type);
  switch (call.op) {
    case Collective::all_reduce:
      return ncclAllReduce(call.send, call.receive, count, type, ncclSum, comm, stream);
    case Collective::all_gather:
      return ncclAllGather(call.send, call.receive, count, type, comm, stream);
    case Collective::reduce_scatter:
      return ncclReduceScatter(call.send, call.receive, count, type, ncclSum, comm, stream);
    case Collective::all_to_all:
      return ncclAlltoAll(call.send, call.receive, count, type, comm, stream);
    case Collective::broadcast:
      return ncclBroadcast(call.send, call.receive, count, type, 0, comm, stream);
    case Collective::send_recv: {
      // Around the ring, in one group: single calls would run in turn.
      const int next = (rank() + 1) % size();
      const int previous = (rank() + size() - 1) % size();
      FORERUN_NCCL_CHECK(ncclGroupStart(), rank());
      const ncclResult_t sent = ncclSend(call.send, count, type, next, comm, stream);
      const ncclResult_t received = ncclRecv(call.receive, count, type, previous, comm, stream);
      const ncclResult_t ended = ncclGroupEnd();
      for (const ncclResult_t started : {sent, received}) {
        if (started != ncclSuccess && started != ncclInProgress) {
          return started;
        }
      }
      return ended;
    }
  }
  return ncclInvalidArgument;
}

void NcclCommunicator::start_collective(const CollectiveCall& call) {
  const auto site = FORERUN_NCCL_SITE(start_collective, rank());
  up_.settle(site);
  FORERUN_NCCL_CHECK(cudaEventRecord(mark_.get(), stream_), rank());
  FORERUN_NCCL_CHECK(cudaStreamWaitEvent(background_.get(), mark_.get(), 0), rank());
  up_.settle(enqueue(call, up_.raw(), background_.get()), site);
}

void NcclCommunicator::finish_collectives() {
  FORERUN_NCCL_CHECK(cudaEventRecord(mark_.get(), background_.get()), rank());
  FORERUN_NCCL_CHECK(cudaStreamWaitEvent(stream_, mark_.get(), 0), rank());
}

std::optional<Seconds> NcclCommunicator::own_estimate(const CollectiveCall& call) {
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 22, 0)  // the first with ncclGroupSimulateEnd
  if (call.op == Collective::send_recv) {
    return std::nullopt;
  }
  // A non-blocking communicator would run the group instead of simulating it, on a thread that has
  // no use for `info`: NCCL passes it on to blocking communicators only.
  if (!simulated_) {
    simulated_.emplace(up_.split(0, rank(), NcclChannel::Calls::blocking));
  }
  const auto site = FORERUN_NCCL_SITE(ncclGroupSimulateEnd, rank());
  FORERUN_NCCL_CHECK(ncclGroupStart(), rank());
  const ncclResult_t started = enqueue(call, simulated_->raw(), stream_);
  ncclSimInfo_t info = NCCL_SIM_INFO_INITIALIZER;
  const ncclResult_t ended = ncclGroupSimulateEnd(&info);
  // Nothing may be under way any more when the caller frees its buffers.
  simulated_->settle(site);
  if (started == ncclSuccess && ended == ncclSuccess && info.estimatedTime > 0.0F) {
    return static_cast<double>(info.estimatedTime) * unit::microsecond;
  }
#endif
  return std::nullopt;
}

}  // namespace forerun::nccl
