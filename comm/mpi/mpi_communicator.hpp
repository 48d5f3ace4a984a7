// The communicator over MPI; `<mpi.h>` stays in the .cpp file.
#pragma once

#include <memory>
#include <span>

#include "comm/communicator.hpp"

namespace forerun {

/// Host buffers; device memory too where the MPI library takes it (`takes_cuda_buffers`). Sums and
/// maxima of bf16, fp32 and int32; other types only move. `all_reduce`, `broadcast` and the
/// point-to-point methods take any count; the gathered size of the others is below 2^31 elements,
/// as MPI 3 counts. Throws std::runtime_error for a failed call (with rank, file, line, call and
/// code) or a count or type beyond that.
class MpiCommunicator final : public Communicator {
 public:
  /// A copy of MPI_COMM_WORLD. Initialises MPI if nobody has, and then finalises it when destroyed:
  /// communicators split from it must go first.
  MpiCommunicator();
  ~MpiCommunicator() override;
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;
  MpiCommunicator(MpiCommunicator&&) = delete;
  MpiCommunicator& operator=(MpiCommunicator&&) = delete;

  [[nodiscard]] int rank() const override;
  [[nodiscard]] int size() const override;
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
  void start_collective(const CollectiveCall& call) override;
  void finish_collectives() override;
  void broadcast(void* buffer, std::int64_t count, DataType type, int root) override;

  void start_send(const void* send, std::int64_t count, DataType type, int to) override;
  void receive(void* receive, std::int64_t count, DataType type, int from) override;
  void send_receive(const void* send,
                    int to,
                    void* receive,
                    int from,
                    std::int64_t count,
                    DataType type) override;
  void finish_sends() override;

  [[nodiscard]] std::vector<std::string> all_gather_text(const std::string& text) override;

 private:
  struct State;
  explicit MpiCommunicator(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace forerun
