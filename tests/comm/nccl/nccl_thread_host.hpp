// Ranks as threads: the host communicator that NCCL tests need, and device arrays to check.
#pragma once

#include <barrier>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

#include "comm/communicator.hpp"

namespace forerun {

/// What the threads of one group share.
struct ThreadGroup {
  explicit ThreadGroup(int size) : barrier(size), texts(static_cast<std::size_t>(size)) {}

  std::barrier<> barrier;
  std::vector<std::string> texts;
  std::map<int, std::shared_ptr<ThreadGroup>> parts;  ///< of the split under way
};

/// Carries texts, NCCL's id and splits between threads; refuses everything else.
class ThreadHost final : public Communicator {
 public:
  ThreadHost(std::shared_ptr<ThreadGroup> group, int rank)
      : group_(std::move(group)), rank_(rank) {}

  [[nodiscard]] int rank() const override { return rank_; }

  [[nodiscard]] int size() const override { return static_cast<int>(group_->texts.size()); }

  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) override;

  void barrier() override { group_->barrier.arrive_and_wait(); }

  void broadcast(void* buffer, std::int64_t count, DataType type, int root) override;
  [[nodiscard]] std::vector<std::string> all_gather_text(const std::string& text) override;

  void all_reduce(const void*, void*, std::int64_t, DataType, ReduceOp) override { refuse(); }

  void all_gather(const void*, void*, std::int64_t, DataType) override { refuse(); }

  void reduce_scatter(const void*, void*, std::int64_t, DataType) override { refuse(); }

  void all_to_all(const void*, void*, std::int64_t, DataType) override { refuse(); }

  void all_to_all_v(const void*,
                    std::span<const std::int64_t>,
                    void*,
                    std::span<const std::int64_t>,
                    DataType) override {
    refuse();
  }

  void start_collective(const CollectiveCall&) override { refuse(); }

  void finish_collectives() override { refuse(); }

  void start_send(const void*, std::int64_t, DataType, int) override { refuse(); }

  void receive(void*, std::int64_t, DataType, int) override { refuse(); }

  void send_receive(const void*, int, void*, int, std::int64_t, DataType) override { refuse(); }

  void finish_sends() override { refuse(); }

 private:
  [[noreturn]] static void refuse();

  std::shared_ptr<ThreadGroup> group_;
  int rank_;
};

[[nodiscard]] int visible_gpus();

/// Runs `body` on `ranks` threads, rank r with a stream on GPU r % visible_gpus(); rethrows the
/// first exception of any of them.
void run_ranks(int ranks, const std::function<void(Communicator& host, cudaStream_t stream)>& body);

/// fp32 numbers on the GPU.
class DeviceFloats {
 public:
  explicit DeviceFloats(const std::vector<float>& values);
  DeviceFloats(const DeviceFloats&) = delete;
  DeviceFloats& operator=(const DeviceFloats&) = delete;

  ~DeviceFloats() { cudaFree(memory_); }

  [[nodiscard]] float* data() const { return memory_; }

  /// After everything on the stream.
  [[nodiscard]] std::vector<float> values(cudaStream_t stream) const;

 private:
  float* memory_ = nullptr;
  std::size_t count_;
};

}  // namespace forerun
