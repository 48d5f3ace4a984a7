// Our number formats as NCCL names them, and memory that a stream uses up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include <cuda_runtime_api.h>
#include <nccl.h>

#include "comm/nccl/nccl_check.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "units/data_type.hpp"
#include "units/unit.hpp"

namespace forerun::nccl {

inline ncclDataType_t nccl_type(DataType type) {
  switch (type) {
    case DataType::bf16:
      return ncclBfloat16;
    case DataType::fp16:
      return ncclFloat16;
    case DataType::fp32:
      return ncclFloat32;
    case DataType::fp8_e4m3:
      return ncclFloat8e4m3;
    case DataType::fp8_e5m2:
      return ncclFloat8e5m2;
    case DataType::int32:
      return ncclInt32;
    case DataType::uint8:
      return ncclUint8;
  }
  throw std::invalid_argument("not a data type");
}

inline std::size_t elements(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

class NcclCommunicator::StreamCopy {
 public:
  StreamCopy(const void* from, std::int64_t count, DataType type, const NcclCommunicator& owner)
      : stream_(owner.stream_) {
    const std::size_t bytes =
        elements(count) * static_cast<std::size_t>(size_of(type).in(unit::byte));
    FORERUN_NCCL_CHECK(cudaMallocAsync(&memory_, bytes, stream_), owner.rank());
    FORERUN_NCCL_CHECK(cudaMemcpyAsync(memory_, from, bytes, cudaMemcpyDeviceToDevice, stream_),
                       owner.rank());
  }

  StreamCopy(const StreamCopy&) = delete;
  StreamCopy& operator=(const StreamCopy&) = delete;
  StreamCopy(StreamCopy&&) = delete;
  StreamCopy& operator=(StreamCopy&&) = delete;

  ~StreamCopy() { static_cast<void>(cudaFreeAsync(memory_, stream_)); }

  [[nodiscard]] const void* data() const { return memory_; }

 private:
  void* memory_ = nullptr;
  cudaStream_t stream_;
};

}  // namespace forerun::nccl
