// One NCCL communicator that never blocks the host for good, and the stream of its sends.
#pragma once

#include <memory>
#include <utility>

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "comm/nccl/nccl_check.hpp"

namespace forerun::nccl {

struct DestroyStream {
  void operator()(cudaStream_t stream) const { static_cast<void>(cudaStreamDestroy(stream)); }
};

struct DestroyEvent {
  void operator()(cudaEvent_t event) const { static_cast<void>(cudaEventDestroy(event)); }
};

using Stream = std::unique_ptr<CUstream_st, DestroyStream>;
using Event = std::unique_ptr<CUevent_st, DestroyEvent>;

/// NCCL runs the kernels of one communicator one after another, whatever their streams: a receive
/// waits for an earlier send of the same communicator. Two ranks that both send first therefore
/// need two channels, one a direction.
class NcclChannel {
 public:
  /// Collective over `size` ranks that share `id`. Waits up to five minutes for the others.
  [[nodiscard]] static NcclChannel connect(const ncclUniqueId& id, int size, int rank);

  /// Whether NCCL's calls on a channel return before they are done.
  enum class Calls { non_blocking, blocking };

  /// Collective over the ranks of this channel: equal colors form a channel, ordered by key.
  [[nodiscard]] NcclChannel split(int color, int key, Calls calls = Calls::non_blocking);

  NcclChannel(NcclChannel&& other) noexcept
      : comm_(std::exchange(other.comm_, nullptr)),
        rank_(other.rank_),
        send_stream_(std::move(other.send_stream_)),
        mark_(std::move(other.mark_)),
        has_sends_(other.has_sends_) {}

  NcclChannel& operator=(NcclChannel&&) = delete;
  NcclChannel(const NcclChannel&) = delete;
  NcclChannel& operator=(const NcclChannel&) = delete;
  ~NcclChannel();

  [[nodiscard]] ncclComm_t raw() const { return comm_; }

  [[nodiscard]] int rank() const { return rank_; }

  /// Waits until NCCL has enqueued what `started` began. On an error, or after five minutes, aborts
  /// the communicator and throws.
  void settle(ncclResult_t started, const CallSite& site);

  /// The same for whatever is still being enqueued: before the next call on this channel.
  void settle(const CallSite& site) { settle(ncclSuccess, site); }

  /// Starts a send after everything that `after` holds now, on the channel's own stream. Does not
  /// wait for the peer, not even to connect at the first send.
  void send(const void* data, std::size_t count, ncclDataType_t type, int to, cudaStream_t after);
  /// Lets `stream` wait for the sends so far.
  void join_sends(cudaStream_t stream);
  /// Throws when NCCL reports a failure of this communicator in the background.
  void require_healthy(const CallSite& site);

 private:
  NcclChannel(ncclComm_t comm, int rank) : comm_(comm), rank_(rank) {}

  void make_send_stream();
  void abort() noexcept;

  ncclComm_t comm_ = nullptr;
  int rank_ = 0;
  Stream send_stream_;
  Event mark_;
  bool has_sends_ = false;
};

}  // namespace forerun::nccl
