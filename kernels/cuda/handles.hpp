// The handles of the CUDA libraries, each owned by one object that destroys it.
#pragma once

#include <utility>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

namespace forerun::cuda {

/// Owns one handle; `Destroy` runs once and its status is dropped, because destructors do not
/// throw.
template <class Raw, auto Destroy>
class Handle {
 public:
  Handle() = default;

  explicit Handle(Raw raw) : raw_(raw) {}

  Handle(Handle&& other) noexcept : raw_(std::exchange(other.raw_, Raw{})) {}

  Handle& operator=(Handle&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  ~Handle() {
    if (raw_ != Raw{}) {
      static_cast<void>(Destroy(raw_));
    }
  }

  [[nodiscard]] Raw raw() const { return raw_; }

 private:
  Raw raw_{};
};

using Stream = Handle<cudaStream_t, &cudaStreamDestroy>;
using Event = Handle<cudaEvent_t, &cudaEventDestroy>;
using Graph = Handle<cudaGraph_t, &cudaGraphDestroy>;
using GraphExecution = Handle<cudaGraphExec_t, &cudaGraphExecDestroy>;
using BlasHandle = Handle<cublasLtHandle_t, &cublasLtDestroy>;
using MatmulDescription = Handle<cublasLtMatmulDesc_t, &cublasLtMatmulDescDestroy>;
using MatrixLayout = Handle<cublasLtMatrixLayout_t, &cublasLtMatrixLayoutDestroy>;
using MatmulPreference = Handle<cublasLtMatmulPreference_t, &cublasLtMatmulPreferenceDestroy>;
using DnnHandle = Handle<cudnnHandle_t, &cudnnDestroy>;

/// A stream that does not wait for the legacy default stream.
[[nodiscard]] Stream make_stream();
/// An event that can be timed.
[[nodiscard]] Event make_event();

}  // namespace forerun::cuda
