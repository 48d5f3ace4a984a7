// The one check of each CUDA library's calls: the macro captures, the function behind it throws.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

namespace forerun::cuda {

/// Where a library was called.
struct CallSite {
  const char* call;
  const char* file;
  int line;
};

/// Return when `status` is success; throw std::runtime_error with call, code, file and line when it
/// is not. A CUDA error is cleared first, so that the next call does not report it again.
void require(cudaError_t status, const CallSite& site);
void require(cublasStatus_t status, const CallSite& site);
void require(cudnnStatus_t status, const CallSite& site);

}  // namespace forerun::cuda

/// `call` returns the status of the CUDA runtime, of cuBLASLt or of cuDNN.
#define FORERUN_CUDA_CHECK(call) \
  ::forerun::cuda::require((call), ::forerun::cuda::CallSite{#call, __FILE__, __LINE__})
