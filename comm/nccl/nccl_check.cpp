// The text of a failed CUDA or NCCL call.
#include "comm/nccl/nccl_check.hpp"

#include <stdexcept>

#include <fmt/format.h>

namespace forerun::nccl {

void fail(const CallSite& site, const char* reason, const char* detail) {
  throw std::runtime_error(fmt::format("rank {}: {}:{}: {}: {}{}{}",
                                       site.rank,
                                       site.file,
                                       site.line,
                                       site.call,
                                       reason,
                                       *detail == '\0' ? "" : ": ",
                                       detail));
}

void require(cudaError_t status, const CallSite& site) {
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    fail(site, cudaGetErrorName(status), cudaGetErrorString(status));
  }
}

void require(ncclResult_t status, const CallSite& site) {
  if (status != ncclSuccess) {
    fail(site, ncclGetErrorString(status), ncclGetLastError(nullptr));
  }
}

}  // namespace forerun::nccl
