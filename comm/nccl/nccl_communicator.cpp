// Collectives and messages on NCCL channels; who may take part.
#include "comm/nccl/nccl_communicator.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "comm/nccl/nccl_types.hpp"

namespace forerun::nccl {

namespace {

/// Makes the stream's GPU current and names it: node and PCI bus id.
std::string gpu_of(cudaStream_t stream, int rank) {
  int device = 0;
  FORERUN_NCCL_CHECK(cudaStreamGetDevice(stream, &device), rank);
  FORERUN_NCCL_CHECK(cudaSetDevice(device), rank);
  std::array<char, 32> bus{};
  FORERUN_NCCL_CHECK(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device), rank);
  std::array<char, 256> node{};
  gethostname(node.data(), node.size() - 1);
  return fmt::format("{} of node {}", bus.data(), node.data());
}

/// NCCL would hang or fail without naming the ranks.
void require_own_gpus(const std::vector<std::string>& gpus) {
  for (std::size_t rank = 0; rank < gpus.size(); ++rank) {
    const auto first = std::ranges::find(gpus, gpus[rank]) - gpus.begin();
    if (static_cast<std::size_t>(first) != rank) {
      throw std::runtime_error(
          fmt::format("ranks {} and {} both drive GPU {}; NCCL needs one GPU for each rank: start "
                      "as many ranks on a node as it has GPUs",
                      first,
                      rank,
                      gpus[rank]));
    }
  }
}

/// The id that rank 0 makes, on every rank; collective over the host communicator.
ncclUniqueId shared_id(Communicator& host) {
  ncclUniqueId id{};
  if (host.rank() == 0) {
    FORERUN_NCCL_CHECK(ncclGetUniqueId(&id), host.rank());
  }
  std::array<std::int32_t, sizeof(id) / sizeof(std::int32_t)> words{};
  static_assert(sizeof(words) == sizeof(id));
  std::memcpy(words.data(), &id, sizeof(id));
  host.broadcast(words.data(), static_cast<std::int64_t>(words.size()), DataType::int32, 0);
  std::memcpy(&id, words.data(), sizeof(id));
  return id;
}

NcclChannel connect_world(cudaStream_t stream, Communicator& host) {
  require_own_gpus(host.all_gather_text(gpu_of(stream, host.rank())));
  return NcclChannel::connect(shared_id(host), host.size(), host.rank());
}

}  // namespace

NcclCommunicator::NcclCommunicator(cudaStream_t stream, Communicator& host)
    : stream_(stream), host_(&host), up_(connect_world(stream, host)) {
  prepare();
}

NcclCommunicator::NcclCommunicator(cudaStream_t stream,
                                   std::unique_ptr<Communicator> host,
                                   NcclChannel up)
    : stream_(stream), own_host_(std::move(host)), host_(own_host_.get()), up_(std::move(up)) {
  prepare();
}

void NcclCommunicator::prepare() {
  if (up_.rank() != rank()) {
    throw std::runtime_error(
        fmt::format("NCCL and the host communicator number a group differently: {} and {}",
                    up_.rank(),
                    rank()));
  }
  if (size() > 1) {
    down_.emplace(up_.split(0, rank()));
  }
  void* word = nullptr;
  FORERUN_NCCL_CHECK(cudaMalloc(&word, sizeof(std::int32_t)), rank());
  barrier_word_.reset(word);
  FORERUN_NCCL_CHECK(cudaMemset(word, 0, sizeof(std::int32_t)), rank());
  cudaStream_t stream = nullptr;
  FORERUN_NCCL_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), rank());
  background_.reset(stream);
  cudaEvent_t event = nullptr;
  FORERUN_NCCL_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), rank());
  mark_.reset(event);
}

std::unique_ptr<Communicator> NcclCommunicator::split(int color, int key) {
  auto host = host_->split(color, key);
  NcclChannel part = up_.split(color, key);
  // make_unique cannot reach the private constructor.
  return std::unique_ptr<NcclCommunicator>(
      new NcclCommunicator(stream_, std::move(host), std::move(part)));
}

void NcclCommunicator::barrier() {
  all_reduce(barrier_word_.get(), barrier_word_.get(), 1, DataType::int32, ReduceOp::max);
  cudaError_t status = cudaErrorNotReady;
  while ((status = cudaStreamQuery(stream_)) == cudaErrorNotReady) {
    up_.require_healthy(FORERUN_NCCL_SITE(barrier, rank()));
    std::this_thread::yield();
  }
  FORERUN_NCCL_CHECK(status, rank());
}

void NcclCommunicator::all_reduce(
    const void* send, void* receive, std::int64_t count, DataType type, ReduceOp op) {
  const auto site = FORERUN_NCCL_SITE(ncclAllReduce, rank());
  up_.settle(site);
  up_.settle(ncclAllReduce(send,
                           receive,
                           elements(count),
                           nccl_type(type),
                           op == ReduceOp::max ? ncclMax : ncclSum,
                           up_.raw(),
                           stream_),
             site);
}

void NcclCommunicator::all_gather(const void* send,
                                  void* receive,
                                  std::int64_t count,
                                  DataType type) {
  const auto site = FORERUN_NCCL_SITE(ncclAllGather, rank());
  up_.settle(site);
  up_.settle(ncclAllGather(send, receive, elements(count), nccl_type(type), up_.raw(), stream_),
             site);
}

void NcclCommunicator::reduce_scatter(const void* send,
                                      void* receive,
                                      std::int64_t count,
                                      DataType type) {
  const auto site = FORERUN_NCCL_SITE(ncclReduceScatter, rank());
  up_.settle(site);
  up_.settle(ncclReduceScatter(
                 send, receive, elements(count), nccl_type(type), ncclSum, up_.raw(), stream_),
             site);
}

void NcclCommunicator::all_to_all(const void* send,
                                  void* receive,
                                  std::int64_t count,
                                  DataType type) {
  if (send == receive) {
    const StreamCopy copy(send, count * size(), type, *this);
    all_to_all(copy.data(), receive, count, type);
    return;
  }
  const auto site = FORERUN_NCCL_SITE(ncclAlltoAll, rank());
  up_.settle(site);
  up_.settle(ncclAlltoAll(send, receive, elements(count), nccl_type(type), up_.raw(), stream_),
             site);
}

void NcclCommunicator::broadcast(void* buffer, std::int64_t count, DataType type, int root) {
  const auto site = FORERUN_NCCL_SITE(ncclBroadcast, rank());
  up_.settle(site);
  up_.settle(
      ncclBroadcast(buffer, buffer, elements(count), nccl_type(type), root, up_.raw(), stream_),
      site);
}

NcclChannel& NcclCommunicator::channel_to(int peer) {
  return peer < rank() ? down_.value() : up_;
}

NcclChannel& NcclCommunicator::channel_from(int peer) {
  return peer > rank() ? down_.value() : up_;
}

void NcclCommunicator::start_send(const void* send, std::int64_t count, DataType type, int to) {
  channel_to(to).send(send, elements(count), nccl_type(type), to, stream_);
}

void NcclCommunicator::receive(void* receive, std::int64_t count, DataType type, int from) {
  const auto site = FORERUN_NCCL_SITE(ncclRecv, rank());
  NcclChannel& channel = channel_from(from);
  channel.settle(site);
  channel.settle(ncclRecv(receive, elements(count), nccl_type(type), from, channel.raw(), stream_),
                 site);
}

// NOLINTNEXTLINE(readability-function-size): the sixth parameter is the interface's own.
void NcclCommunicator::send_receive(
    const void* send, int to, void* receive, int from, std::int64_t count, DataType type) {
  if (send == receive) {
    const StreamCopy copy(send, count, type, *this);
    send_receive(copy.data(), to, receive, from, count, type);
    return;
  }
  NcclChannel& channel = channel_to(to);
  if (&channel != &channel_from(from)) {
    start_send(send, count, type, to);
    this->receive(receive, count, type, from);
    finish_sends();
    return;
  }
  // In one group, because a ring of single sends and receives on one channel would run in turn.
  const auto site = FORERUN_NCCL_SITE(ncclSend and ncclRecv, rank());
  channel.settle(site);
  FORERUN_NCCL_CHECK(ncclGroupStart(), rank());
  const ncclResult_t sent =
      ncclSend(send, elements(count), nccl_type(type), to, channel.raw(), stream_);
  const ncclResult_t received =
      ncclRecv(receive, elements(count), nccl_type(type), from, channel.raw(), stream_);
  const ncclResult_t ended = ncclGroupEnd();
  for (const ncclResult_t started : {sent, received, ended}) {
    channel.settle(started, site);
  }
}

void NcclCommunicator::finish_sends() {
  up_.join_sends(stream_);
  if (down_) {
    down_->join_sends(stream_);
  }
}

std::vector<std::string> NcclCommunicator::all_gather_text(const std::string& text) {
  return host_->all_gather_text(text);
}

}  // namespace forerun::nccl
