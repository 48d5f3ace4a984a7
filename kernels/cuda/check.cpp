// The text of a failed CUDA, cuBLASLt or cuDNN call.
#include "kernels/cuda/check.hpp"

#include <array>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace forerun::cuda {

namespace {

[[noreturn]] void fail(const CallSite& site, const std::string& reason) {
  throw std::runtime_error(fmt::format("{}:{}: {}: {}", site.file, site.line, site.call, reason));
}

}  // namespace

void require(cudaError_t status, const CallSite& site) {
  if (status == cudaSuccess) {
    return;
  }
  static_cast<void>(cudaGetLastError());
  fail(site, fmt::format("{}: {}", cudaGetErrorName(status), cudaGetErrorString(status)));
}

void require(cublasStatus_t status, const CallSite& site) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    fail(site, cublasLtGetStatusString(status));
  }
}

void require(cudnnStatus_t status, const CallSite& site) {
  if (status == CUDNN_STATUS_SUCCESS) {
    return;
  }
  std::array<char, 512> detail{};
  cudnnGetLastErrorString(detail.data(), detail.size());
  fail(site, fmt::format("{} {}", cudnnGetErrorString(status), detail.data()));
}

}  // namespace forerun::cuda
