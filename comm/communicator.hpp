// The seam between the program and what moves data between ranks: nothing (serial), MPI or NCCL.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/collective_key.hpp"
#include "units/data_type.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// One collective with its buffers; `count` as the method of its name takes it.
struct CollectiveCall {
  Collective op = Collective::all_reduce;
  const void* send = nullptr;
  void* receive = nullptr;
  std::int64_t count = 0;
  DataType type = DataType::fp32;
};

/// A group of ranks. Every method but `rank`, `size` and the point-to-point ones is collective: all
/// ranks of the group call it in the same order. Counts are elements of `type`. bf16 and fp32 are
/// reduced in fp32 arithmetic and stored in their type. Buffers are host memory for serial and MPI,
/// device memory for NCCL. Throws std::runtime_error with call, code, file, line and rank.
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  Communicator(Communicator&&) = delete;
  Communicator& operator=(Communicator&&) = delete;
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// Ranks with equal `color` form a new group, ordered by `key`.
  [[nodiscard]] virtual std::unique_ptr<Communicator> split(int color, int key) = 0;

  virtual void barrier() = 0;
  /// In place when send == receive.
  virtual void all_reduce(
      const void* send, void* receive, std::int64_t count, DataType type, ReduceOp op) = 0;
  /// Every rank gives `count` elements; `receive` holds size() * count, in rank order. In place
  /// when send == receive + rank * count.
  virtual void all_gather(const void* send, void* receive, std::int64_t count, DataType type) = 0;
  /// Every rank gives size() * count elements and receives the sum of its own block of `count`. In
  /// place when receive == send + rank * count.
  virtual void reduce_scatter(const void* send,
                              void* receive,
                              std::int64_t count,
                              DataType type) = 0;
  /// Block j of `send` (count elements) goes to rank j. In place when send == receive.
  virtual void all_to_all(const void* send, void* receive, std::int64_t count, DataType type) = 0;
  /// Block j of `send` goes to rank j: send_counts[j] elements, after those of the blocks before
  /// it; receive_counts[i] elements come from rank i, stored alike. One count for each rank, and
  /// what one gives is what the other expects. Not in place.
  virtual void all_to_all_v(const void* send,
                            std::span<const std::int64_t> send_counts,
                            void* receive,
                            std::span<const std::int64_t> receive_counts,
                            DataType type) = 0;
  /// In place by nature.
  virtual void broadcast(void* buffer, std::int64_t count, DataType type, int root) = 0;

  /// Starts a send and returns; the buffer must live until `finish_sends`.
  virtual void start_send(const void* send, std::int64_t count, DataType type, int to) = 0;
  virtual void receive(void* receive, std::int64_t count, DataType type, int from) = 0;
  /// Both directions at once. In place when send == receive.
  virtual void send_receive(
      const void* send, int to, void* receive, int from, std::int64_t count, DataType type) = 0;
  virtual void finish_sends() = 0;

  /// Starts an all_reduce (a sum), all_gather, reduce_scatter, all_to_all or send_recv (to the next
  /// rank, from the one before, around the group) and returns; the buffers must live until
  /// `finish_collectives`. The first three also in place, as the methods of their names. Whether it
  /// gets on by itself until then is the library's affair: measure it.
  virtual void start_collective(const CollectiveCall& call) = 0;
  /// MPI: waits for what was started. NCCL: lets the stream wait for it.
  virtual void finish_collectives() = 0;

  /// What the library itself expects of this collective, where it says so (NCCL does). Nothing
  /// runs, but every rank of the group asks.
  [[nodiscard]] virtual std::optional<Seconds> own_estimate(const CollectiveCall& /*call*/) {
    return std::nullopt;
  }

  /// Gathers one text from each rank to all of them (host names, reports); always host memory.
  [[nodiscard]] virtual std::vector<std::string> all_gather_text(const std::string& text) = 0;
};

/// The symbol that a communicator module exports. The world communicator; `stream` is the CUDA
/// stream for NCCL, `host` the communicator that carries its unique id; both null for MPI.
using OpenCommunicator = Communicator* (*)(void* stream, Communicator* host);
inline constexpr const char* open_communicator_symbol = "forerun_open_communicator";

}  // namespace forerun
