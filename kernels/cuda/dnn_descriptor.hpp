// One descriptor of cuDNN's backend API.
#pragma once

#include <cstdint>
#include <span>

#include <cudnn_graph.h>

#include "kernels/cuda/handles.hpp"

namespace forerun::cuda {

/// Created empty, filled by `set`, usable by others after `finalize`.
class DnnDescriptor {
 public:
  explicit DnnDescriptor(cudnnBackendDescriptorType_t type);

  /// Elements of a plain type: `type` is cuDNN's name for T.
  template <class T>
  DnnDescriptor& set(cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type,
                     std::span<const T> values) {
    set_elements(name, type, static_cast<std::int64_t>(values.size()), values.data());
    return *this;
  }

  template <class T>
  DnnDescriptor& set(cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type,
                     const T& value) {
    set_elements(name, type, 1, &value);
    return *this;
  }

  DnnDescriptor& set(cudnnBackendAttributeName_t name, const DnnDescriptor& value);

  void finalize() const;

  [[nodiscard]] cudnnBackendDescriptor_t raw() const { return descriptor_.raw(); }

 private:
  void set_elements(cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type,
                    std::int64_t count,
                    const void* values) const;

  Handle<cudnnBackendDescriptor_t, &cudnnBackendDestroyDescriptor> descriptor_;
};

}  // namespace forerun::cuda
