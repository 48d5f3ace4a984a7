// Creating, filling and finalizing a descriptor of cuDNN's backend API.
#include "kernels/cuda/dnn_descriptor.hpp"

#include "kernels/cuda/library_check.hpp"

namespace forerun::cuda {

DnnDescriptor::DnnDescriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t raw = nullptr;
  FORERUN_CUDA_CHECK(cudnnBackendCreateDescriptor(type, &raw));
  descriptor_ = Handle<cudnnBackendDescriptor_t, &cudnnBackendDestroyDescriptor>(raw);
}

DnnDescriptor& DnnDescriptor::set(cudnnBackendAttributeName_t name, const DnnDescriptor& value) {
  cudnnBackendDescriptor_t raw = value.raw();
  set_elements(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  return *this;
}

void DnnDescriptor::finalize() const {
  FORERUN_CUDA_CHECK(cudnnBackendFinalize(raw()));
}

void DnnDescriptor::set_elements(cudnnBackendAttributeName_t name,
                                 cudnnBackendAttributeType_t type,
                                 std::int64_t count,
                                 const void* values) const {
  FORERUN_CUDA_CHECK(cudnnBackendSetAttribute(raw(), name, type, count, values));
}

}  // namespace forerun::cuda
