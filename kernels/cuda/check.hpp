// The check of the CUDA runtime's calls: the macro captures, the function behind it throws.
#pragma once

#include <string>

#include <cuda_runtime_api.h>

namespace forerun::cuda {

/// Where a library was called.
struct CallSite {
  const char* call;
  const char* file;
  int line;
};

/// Throws std::runtime_error with file, line, call and reason.
[[noreturn]] void fail_call(const CallSite& site, const std::string& reason);

/// Returns when `status` is success; throws std::runtime_error with call, code, file and line when
/// it is not. The error is cleared first, so that the next call does not report it again.
void require(cudaError_t status, const CallSite& site);

}  // namespace forerun::cuda

/// `call` returns the status of the CUDA runtime; with kernels/cuda/library_check.hpp also that of
/// cuBLASLt or of cuDNN.
#define FORERUN_CUDA_CHECK(call) \
  ::forerun::cuda::require((call), ::forerun::cuda::CallSite{#call, __FILE__, __LINE__})
