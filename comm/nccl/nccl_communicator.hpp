// The communicator between GPUs: NCCL for device memory, a host communicator for texts.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

#include "comm/communicator.hpp"
#include "comm/nccl/nccl_channel.hpp"

namespace forerun::nccl {

/// Everything but `barrier` and `all_gather_text` is enqueued on the stream and returns. Sums are
/// NCCL's: fp32 additions, in bf16 rounded to bf16 at every hop of the ring or tree.
///
/// Point-to-point messages to higher ranks and to lower ranks use two NCCL communicators, and sends
/// run on streams of their own, so that ranks may all send before they receive.
class NcclCommunicator final : public Communicator {
 public:
  /// The world. `stream` decides the GPU; `host` outlives this object. Throws std::runtime_error
  /// when two ranks drive the same GPU.
  NcclCommunicator(cudaStream_t stream, Communicator& host);

  [[nodiscard]] int rank() const override { return host_->rank(); }

  [[nodiscard]] int size() const override { return host_->size(); }

  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) override;

  void barrier() override;
  void all_reduce(
      const void* send, void* receive, std::int64_t count, DataType type, ReduceOp op) override;
  void all_gather(const void* send, void* receive, std::int64_t count, DataType type) override;
  void reduce_scatter(const void* send, void* receive, std::int64_t count, DataType type) override;
  void all_to_all(const void* send, void* receive, std::int64_t count, DataType type) override;
  void all_to_all_v(const void* send,
                    std::span<const std::int64_t> send_counts,
                    void* receive,
                    std::span<const std::int64_t> receive_counts,
                    DataType type) override;
  /// On a stream of its own, after what the stream holds now.
  void start_collective(const CollectiveCall& call) override;
  void finish_collectives() override;
  /// From ncclGroupSimulateEnd; none before NCCL 2.22 or where NCCL gives no time. Collective at
  /// its first call, which makes a communicator of its own for it.
  [[nodiscard]] std::optional<Seconds> own_estimate(const CollectiveCall& call) override;
  void broadcast(void* buffer, std::int64_t count, DataType type, int root) override;

  void start_send(const void* send, std::int64_t count, DataType type, int to) override;
  void receive(void* receive, std::int64_t count, DataType type, int from) override;
  void send_receive(const void* send,
                    int to,
                    void* receive,
                    int from,
                    std::int64_t count,
                    DataType type) override;
  /// The stream waits for the sends; the host does not.
  void finish_sends() override;

  [[nodiscard]] std::vector<std::string> all_gather_text(const std::string& text) override;

 private:
  struct FreeMemory {
    void operator()(void* memory) const { static_cast<void>(cudaFree(memory)); }
  };

  NcclCommunicator(cudaStream_t stream, std::unique_ptr<Communicator> host, NcclChannel up);

  void prepare();
  /// What NCCL answers to this call on `stream`; without waiting, as far as `comm` does not block.
  [[nodiscard]] ncclResult_t enqueue(const CollectiveCall& call,
                                     ncclComm_t comm,
                                     cudaStream_t stream) const;
  /// A copy of the buffer that lives until the stream is done with it: NCCL exchanges out of place.
  class StreamCopy;
  [[nodiscard]] NcclChannel& channel_to(int peer);
  [[nodiscard]] NcclChannel& channel_from(int peer);

  cudaStream_t stream_;
  std::unique_ptr<Communicator> own_host_;  ///< of a group; the world's belongs to the program
  Communicator* host_;
  NcclChannel up_;                        ///< collectives, and messages to the same or higher ranks
  std::optional<NcclChannel> down_;       ///< messages to lower ranks; none for one rank
  std::optional<NcclChannel> simulated_;  ///< blocking: of `own_estimate`, when it was asked
  std::unique_ptr<void, FreeMemory> barrier_word_;
  Stream background_;  ///< of started collectives
  Event mark_;
};

}  // namespace forerun::nccl
