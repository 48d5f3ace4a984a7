// A communicator that gets one kind of collective wrong: to see that a rehearsal notices.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "units/bfloat16.hpp"

namespace forerun {

/// Passes everything on to another communicator, but multiplies every fp32 and bf16 result of
/// `broken` by 1.5. Groups split from it are as faulty.
class FaultyCommunicator : public Communicator {
 public:
  FaultyCommunicator(Communicator& sound, Collective broken) : sound_(sound), broken_(broken) {}

  int rank() const override { return sound_.rank(); }

  int size() const override { return sound_.size(); }

  std::unique_ptr<Communicator> split(int color, int key) override {
    auto part = sound_.split(color, key);
    auto faulty = std::make_unique<FaultyCommunicator>(*part, broken_);
    faulty->owned_ = std::move(part);
    return faulty;
  }

  void barrier() override { sound_.barrier(); }

  void all_reduce(
      const void* send, void* receive, std::int64_t count, DataType type, ReduceOp op) override {
    sound_.all_reduce(send, receive, count, type, op);
    spoil(Collective::all_reduce, receive, count, type);
  }

  void all_gather(const void* send, void* receive, std::int64_t count, DataType type) override {
    sound_.all_gather(send, receive, count, type);
    spoil(Collective::all_gather, receive, count * size(), type);
  }

  void reduce_scatter(const void* send, void* receive, std::int64_t count, DataType type) override {
    sound_.reduce_scatter(send, receive, count, type);
    spoil(Collective::reduce_scatter, receive, count, type);
  }

  void all_to_all(const void* send, void* receive, std::int64_t count, DataType type) override {
    sound_.all_to_all(send, receive, count, type);
    spoil(Collective::all_to_all, receive, count * size(), type);
  }

  void all_to_all_v(const void* send,
                    std::span<const std::int64_t> send_counts,
                    void* receive,
                    std::span<const std::int64_t> receive_counts,
                    DataType type) override {
    sound_.all_to_all_v(send, send_counts, receive, receive_counts, type);
    std::int64_t count = 0;
    for (const std::int64_t part : receive_counts) {
      count += part;
    }
    spoil(Collective::all_to_all, receive, count, type);
  }

  void start_collective(const CollectiveCall& call) override {
    sound_.start_collective(call);
    started_.push_back(call);
  }

  void finish_collectives() override {
    sound_.finish_collectives();
    for (const CollectiveCall& call : started_) {
      const bool gathers = call.op == Collective::all_gather || call.op == Collective::all_to_all;
      spoil(call.op, call.receive, gathers ? call.count * size() : call.count, call.type);
    }
    started_.clear();
  }

  void broadcast(void* buffer, std::int64_t count, DataType type, int root) override {
    sound_.broadcast(buffer, count, type, root);
    spoil(Collective::broadcast, buffer, count, type);
  }

  void start_send(const void* send, std::int64_t count, DataType type, int to) override {
    sound_.start_send(send, count, type, to);
  }

  void receive(void* receive, std::int64_t count, DataType type, int from) override {
    sound_.receive(receive, count, type, from);
    spoil(Collective::send_recv, receive, count, type);
  }

  void send_receive(const void* send,
                    int to,
                    void* receive,
                    int from,
                    std::int64_t count,
                    DataType type) override {
    sound_.send_receive(send, to, receive, from, count, type);
    spoil(Collective::send_recv, receive, count, type);
  }

  void finish_sends() override { sound_.finish_sends(); }

  std::vector<std::string> all_gather_text(const std::string& text) override {
    return sound_.all_gather_text(text);
  }

 private:
  void spoil(Collective op, void* values, std::int64_t count, DataType type) const {
    if (op != broken_ || size() == 1) {
      return;
    }
    if (type == DataType::fp32) {
      for (float& number :
           std::span(static_cast<float*>(values), static_cast<std::size_t>(count))) {
        number *= 1.5F;
      }
    } else if (type == DataType::bf16) {
      for (std::uint16_t& bits :
           std::span(static_cast<std::uint16_t*>(values), static_cast<std::size_t>(count))) {
        bits = bf16_from_float(1.5F * float_from_bf16(bits));
      }
    }
  }

  std::unique_ptr<Communicator> owned_;
  Communicator& sound_;
  Collective broken_;
  std::vector<CollectiveCall> started_;
};

/// Its all-gathers move nothing: every rank keeps what its buffer held. Groups split from it alike.
class IdleGather final : public FaultyCommunicator {
 public:
  explicit IdleGather(Communicator& sound)
      : FaultyCommunicator(sound, Collective::broadcast), sound_(sound) {}

  std::unique_ptr<Communicator> split(int color, int key) override {
    auto part = sound_.split(color, key);
    auto idle = std::make_unique<IdleGather>(*part);
    idle->owned_ = std::move(part);
    return idle;
  }

  void all_gather(const void* /*send*/,
                  void* /*receive*/,
                  std::int64_t /*count*/,
                  DataType /*type*/) override {}

  void start_collective(const CollectiveCall& call) override {
    if (call.op != Collective::all_gather) {
      FaultyCommunicator::start_collective(call);
    }
  }

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator& sound_;
};

}  // namespace forerun
