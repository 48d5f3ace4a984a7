// Threads that gather texts, split into groups and drive one GPU each.
#include "tests/comm/nccl/nccl_thread_host.hpp"

#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>
#include <tuple>

namespace forerun {

namespace {

void check(cudaError_t status) {
  if (status != cudaSuccess) {
    throw std::runtime_error(cudaGetErrorString(status));
  }
}

}  // namespace

void ThreadHost::refuse() {
  throw std::logic_error("the host communicator of the NCCL tests moves only texts and ids");
}

std::vector<std::string> ThreadHost::all_gather_text(const std::string& text) {
  group_->texts[static_cast<std::size_t>(rank_)] = text;
  barrier();
  std::vector<std::string> all = group_->texts;
  barrier();
  return all;
}

void ThreadHost::broadcast(void* buffer, std::int64_t count, DataType type, int root) {
  if (type != DataType::int32) {
    refuse();
  }
  const auto bytes = static_cast<std::size_t>(count) * sizeof(std::int32_t);
  const std::string own(static_cast<const char*>(buffer), bytes);
  std::memcpy(buffer, all_gather_text(own).at(static_cast<std::size_t>(root)).data(), bytes);
}

std::unique_ptr<Communicator> ThreadHost::split(int color, int key) {
  const auto texts = all_gather_text(std::to_string(color) + " " + std::to_string(key));
  int own_rank = 0;
  int members = 0;
  for (int other = 0; other < size(); ++other) {
    const std::string& text = texts[static_cast<std::size_t>(other)];
    const std::size_t space = text.find(' ');
    if (std::stoi(text) != color) {
      continue;
    }
    ++members;
    if (std::tuple(std::stoi(text.substr(space)), other) < std::tuple(key, rank_)) {
      ++own_rank;
    }
  }
  // One rank after another, because they share the map.
  for (int turn = 0; turn < size(); ++turn) {
    if (turn == rank_ && own_rank == 0) {
      group_->parts[color] = std::make_shared<ThreadGroup>(members);
    }
    barrier();
  }
  auto part = std::make_unique<ThreadHost>(group_->parts.at(color), own_rank);
  barrier();
  return part;
}

int visible_gpus() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

void run_ranks(int ranks,
               const std::function<void(Communicator& host, cudaStream_t stream)>& body) {
  const auto group = std::make_shared<ThreadGroup>(ranks);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          check(cudaSetDevice(rank % visible_gpus()));
          cudaStream_t stream = nullptr;
          check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
          ThreadHost host(group, rank);
          body(host, stream);
          check(cudaStreamDestroy(stream));
        } catch (...) {
          errors[static_cast<std::size_t>(rank)] = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) {
      std::rethrow_exception(error);
    }
  }
}

DeviceFloats::DeviceFloats(const std::vector<float>& values) : count_(values.size()) {
  check(cudaMalloc(reinterpret_cast<void**>(&memory_), count_ * sizeof(float)));
  check(cudaMemcpy(memory_, values.data(), count_ * sizeof(float), cudaMemcpyHostToDevice));
}

std::vector<float> DeviceFloats::values(cudaStream_t stream) const {
  check(cudaStreamSynchronize(stream));
  std::vector<float> result(count_);
  check(cudaMemcpy(result.data(), memory_, count_ * sizeof(float), cudaMemcpyDeviceToHost));
  return result;
}

}  // namespace forerun
