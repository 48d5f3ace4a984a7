// The check of CUDA and NCCL calls: the macro captures, the function behind it throws.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

namespace forerun::nccl {

/// Where a library was called, and on which rank of the calling group.
struct CallSite {
  const char* call;
  const char* file;
  int line;
  int rank;
};

/// Throw std::runtime_error with rank, file, line, call and reason unless `status` is success. A
/// CUDA error is cleared first. `detail` is what NCCL says about it, may be empty.
void require(cudaError_t status, const CallSite& site);
void require(ncclResult_t status, const CallSite& site);
[[noreturn]] void fail(const CallSite& site, const char* reason, const char* detail);

}  // namespace forerun::nccl

/// The place of a call on `rank`.
#define FORERUN_NCCL_SITE(call, rank) (::forerun::nccl::CallSite{#call, __FILE__, __LINE__, (rank)})

/// `call` returns the status of the CUDA runtime or of NCCL.
#define FORERUN_NCCL_CHECK(call, rank) \
  ::forerun::nccl::require((call), FORERUN_NCCL_SITE(call, rank))
