// Copies in place of messages.
#include "comm/serial/serial_communicator.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace forerun {
namespace {

void copy(const void* send, void* receive, std::int64_t bytes) {
  if (send != receive && bytes > 0) {
    std::memcpy(receive, send, static_cast<std::size_t>(bytes));
  }
}

void expect_self(int rank) {
  if (rank != 0) {
    throw std::runtime_error("rank 0: rank " + std::to_string(rank) +
                             " was addressed, but this communicator has only rank 0");
  }
}

}  // namespace

std::unique_ptr<Communicator> SerialCommunicator::split(int /*color*/, int /*key*/) {
  return std::make_unique<SerialCommunicator>();
}

void SerialCommunicator::all_reduce(
    const void* send, void* receive, std::int64_t count, DataType type, ReduceOp /*op*/) {
  copy(send, receive, bytes_of(count, type));
}

void SerialCommunicator::all_gather(const void* send,
                                    void* receive,
                                    std::int64_t count,
                                    DataType type) {
  copy(send, receive, bytes_of(count, type));
}

void SerialCommunicator::reduce_scatter(const void* send,
                                        void* receive,
                                        std::int64_t count,
                                        DataType type) {
  copy(send, receive, bytes_of(count, type));
}

void SerialCommunicator::all_to_all(const void* send,
                                    void* receive,
                                    std::int64_t count,
                                    DataType type) {
  copy(send, receive, bytes_of(count, type));
}

void SerialCommunicator::all_to_all_v(const void* send,
                                      std::span<const std::int64_t> send_counts,
                                      void* receive,
                                      std::span<const std::int64_t> receive_counts,
                                      DataType type) {
  if (send_counts.size() != 1 || receive_counts.size() != 1 ||
      send_counts.front() != receive_counts.front()) {
    throw std::runtime_error("rank 0: sends itself another count than it expects");
  }
  copy(send, receive, bytes_of(send_counts.front(), type));
}

void SerialCommunicator::start_collective(const CollectiveCall& call) {
  copy(call.send, call.receive, bytes_of(call.count, call.type));
}

void SerialCommunicator::broadcast(void* /*buffer*/,
                                   std::int64_t /*count*/,
                                   DataType /*type*/,
                                   int root) {
  expect_self(root);
}

void SerialCommunicator::start_send(const void* send, std::int64_t count, DataType type, int to) {
  expect_self(to);
  sent_.push_back({send, bytes_of(count, type)});
}

void SerialCommunicator::receive(void* receive, std::int64_t count, DataType type, int from) {
  expect_self(from);
  if (sent_.empty()) {
    throw std::runtime_error("rank 0: receives from itself what it never sent");
  }
  copy(sent_.front().data, receive, std::min(sent_.front().bytes, bytes_of(count, type)));
  sent_.pop_front();
}

// NOLINTNEXTLINE(readability-function-size): the sixth parameter is MPI\'s own.
void SerialCommunicator::send_receive(
    const void* send, int to, void* receive, int from, std::int64_t count, DataType type) {
  expect_self(to);
  expect_self(from);
  copy(send, receive, bytes_of(count, type));
}

void SerialCommunicator::finish_sends() {
  if (!sent_.empty()) {
    sent_.clear();
    throw std::runtime_error("rank 0: a message to itself was never received");
  }
}

std::vector<std::string> SerialCommunicator::all_gather_text(const std::string& text) {
  return {text};
}

}  // namespace forerun
