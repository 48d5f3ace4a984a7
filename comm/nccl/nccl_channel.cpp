// Polling NCCL's non-blocking calls, with a limit, and aborting what fails.
#include "comm/nccl/nccl_channel.hpp"

#include <chrono>
#include <thread>

namespace forerun::nccl {

namespace {

/// Longer than any start-up skew between ranks; shorter than a batch system's patience.
constexpr std::chrono::minutes patience{5};

/// NCCL's own state of the communicator once it is no longer in progress, or ncclInProgress when
/// the limit passed.
ncclResult_t state_after_waiting(ncclComm_t comm) {
  const auto limit = std::chrono::steady_clock::now() + patience;
  ncclResult_t state = ncclInProgress;
  while (state == ncclInProgress && std::chrono::steady_clock::now() < limit) {
    const ncclResult_t asked = ncclCommGetAsyncError(comm, &state);
    if (asked != ncclSuccess) {
      return asked;
    }
    if (state == ncclInProgress) {
      std::this_thread::yield();
    }
  }
  return state;
}

ncclConfig_t config_of(NcclChannel::Calls calls) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = calls == NcclChannel::Calls::blocking ? 1 : 0;
  return config;
}

}  // namespace

NcclChannel NcclChannel::connect(const ncclUniqueId& id, int size, int rank) {
  ncclConfig_t config = config_of(Calls::non_blocking);
  ncclComm_t comm = nullptr;
  const ncclResult_t started = ncclCommInitRankConfig(&comm, size, id, rank, &config);
  NcclChannel channel(comm, rank);
  channel.settle(started, FORERUN_NCCL_SITE(ncclCommInitRankConfig, rank));
  channel.make_send_stream();
  return channel;
}

NcclChannel NcclChannel::split(int color, int key, Calls calls) {
  settle(FORERUN_NCCL_SITE(ncclCommSplit, rank_));
  ncclConfig_t config = config_of(calls);
  ncclComm_t comm = nullptr;
  const ncclResult_t started = ncclCommSplit(comm_, color, key, &comm, &config);
  settle(started, FORERUN_NCCL_SITE(ncclCommSplit, rank_));
  NcclChannel part(comm, rank_);
  part.settle(FORERUN_NCCL_SITE(ncclCommSplit, rank_));
  FORERUN_NCCL_CHECK(ncclCommUserRank(comm, &part.rank_), rank_);
  part.make_send_stream();
  return part;
}

NcclChannel::~NcclChannel() {
  if (comm_ == nullptr) {
    return;
  }
  const ncclResult_t finalized = ncclCommFinalize(comm_);
  if ((finalized == ncclSuccess || finalized == ncclInProgress) &&
      state_after_waiting(comm_) == ncclSuccess) {
    static_cast<void>(ncclCommDestroy(comm_));
  } else {
    abort();
  }
}

void NcclChannel::settle(ncclResult_t started, const CallSite& site) {
  if (comm_ == nullptr) {
    fail(site, "the communicator was aborted or never made", ncclGetLastError(nullptr));
  }
  ncclResult_t state = started;
  if (state == ncclSuccess || state == ncclInProgress) {
    state = state_after_waiting(comm_);
  }
  if (state == ncclSuccess) {
    return;
  }
  const char* const reason = state == ncclInProgress
                                 ? "no answer from the other ranks in five minutes"
                                 : ncclGetErrorString(state);
  const char* const detail = ncclGetLastError(comm_);
  abort();
  fail(site, reason, detail);
}

void NcclChannel::require_healthy(const CallSite& site) {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  settle(asked == ncclSuccess ? state : asked, site);
}

void NcclChannel::send(
    const void* data, std::size_t count, ncclDataType_t type, int to, cudaStream_t after) {
  settle(FORERUN_NCCL_SITE(ncclSend, rank_));
  FORERUN_NCCL_CHECK(cudaEventRecord(mark_.get(), after), rank_);
  FORERUN_NCCL_CHECK(cudaStreamWaitEvent(send_stream_.get(), mark_.get(), 0), rank_);
  const ncclResult_t started = ncclSend(data, count, type, to, comm_, send_stream_.get());
  // Still in progress is fine: the peer may itself be about to send before it receives.
  if (started != ncclInProgress) {
    settle(started, FORERUN_NCCL_SITE(ncclSend, rank_));
  }
  has_sends_ = true;
}

void NcclChannel::join_sends(cudaStream_t stream) {
  if (!has_sends_) {
    return;
  }
  settle(FORERUN_NCCL_SITE(ncclSend, rank_));
  FORERUN_NCCL_CHECK(cudaEventRecord(mark_.get(), send_stream_.get()), rank_);
  FORERUN_NCCL_CHECK(cudaStreamWaitEvent(stream, mark_.get(), 0), rank_);
  has_sends_ = false;
}

void NcclChannel::make_send_stream() {
  cudaStream_t stream = nullptr;
  FORERUN_NCCL_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), rank_);
  send_stream_.reset(stream);
  cudaEvent_t event = nullptr;
  FORERUN_NCCL_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), rank_);
  mark_.reset(event);
}

void NcclChannel::abort() noexcept {
  static_cast<void>(ncclCommAbort(std::exchange(comm_, nullptr)));
}

}  // namespace forerun::nccl
