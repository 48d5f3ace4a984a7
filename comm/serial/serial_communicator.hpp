// The communicator of one process: every collective is a copy.
#pragma once

#include <cstddef>
#include <deque>

#include "comm/communicator.hpp"

namespace forerun {

/// Rank 0 of 1. A message to itself waits until it is received; throws std::runtime_error where a
/// real communicator would wait for ever.
class SerialCommunicator final : public Communicator {
 public:
  [[nodiscard]] int rank() const override { return 0; }

  [[nodiscard]] int size() const override { return 1; }

  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) override;

  void barrier() override {}

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
  /// Done at once.
  void start_collective(const CollectiveCall& call) override;

  void finish_collectives() override {}

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
  struct Message {
    const void* data;
    std::int64_t bytes;
  };

  std::deque<Message> sent_;
};

}  // namespace forerun
