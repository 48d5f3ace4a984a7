// The text of a failed call of the CUDA runtime.
#include "kernels/cuda/check.hpp"

#include <stdexcept>

#include <fmt/format.h>

namespace forerun::cuda {

void fail_call(const CallSite& site, const std::string& reason) {
  throw std::runtime_error(fmt::format("{}:{}: {}: {}", site.file, site.line, site.call, reason));
}

void require(cudaError_t status, const CallSite& site) {
  if (status == cudaSuccess) {
    return;
  }
  static_cast<void>(cudaGetLastError());
  fail_call(site, fmt::format("{}: {}", cudaGetErrorName(status), cudaGetErrorString(status)));
}

}  // namespace forerun::cuda
