// FORERUN_CUDA_CHECK for the calls of cuBLASLt and cuDNN.
#pragma once

#include <cublasLt.h>
#include <cudnn_graph.h>

#include "kernels/cuda/check.hpp"

namespace forerun::cuda {

/// Return when `status` is success; throw std::runtime_error with call, code, file and line when it
/// is not.
void require(cublasStatus_t status, const CallSite& site);
void require(cudnnStatus_t status, const CallSite& site);

}  // namespace forerun::cuda
