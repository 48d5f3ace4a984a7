// The text of a failed call of cuBLASLt or cuDNN.
#include "kernels/cuda/library_check.hpp"

#include <array>

#include <fmt/format.h>

namespace forerun::cuda {

void require(cublasStatus_t status, const CallSite& site) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    fail_call(site, cublasLtGetStatusString(status));
  }
}

void require(cudnnStatus_t status, const CallSite& site) {
  if (status == CUDNN_STATUS_SUCCESS) {
    return;
  }
  std::array<char, 512> detail{};
  cudnnGetLastErrorString(detail.data(), detail.size());
  fail_call(site, fmt::format("{} {}", cudnnGetErrorString(status), detail.data()));
}

}  // namespace forerun::cuda
