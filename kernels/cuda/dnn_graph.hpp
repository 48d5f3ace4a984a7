// Builds a graph of cuDNN operations: tensors, matrix products, element-wise steps, reductions.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include <cudnn_graph.h>

#include "kernels/cuda/dnn_descriptor.hpp"

namespace forerun::cuda {

using Dims = std::array<std::int64_t, 4>;

/// Sizes and strides in elements, in the same order.
struct DnnTensorShape {
  Dims sizes{};
  Dims strides{};
};

/// Row-major: the last size is contiguous.
[[nodiscard]] DnnTensorShape packed(const Dims& sizes);
/// The last two axes swapped.
[[nodiscard]] DnnTensorShape transposed(const DnnTensorShape& shape);

/// One element-wise step: `a` and the optional operands in cuDNN's order X, B, T.
struct Pointwise {
  cudnnPointwiseMode_t mode = CUDNN_POINTWISE_IDENTITY;
  const DnnDescriptor& a;
  const DnnDescriptor* b = nullptr;
  const DnnDescriptor* t = nullptr;
  cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  std::optional<std::int64_t> axis{};  ///< of CUDNN_POINTWISE_GEN_INDEX
};

/// The references that it returns live as long as the builder; `finish` keeps the descriptors alive
/// with the graph.
class DnnGraph {
 public:
  /// A buffer that an execution binds to `uid`.
  const DnnDescriptor& tensor(std::int64_t uid, const DnnTensorShape& shape, cudnnDataType_t type);
  /// A value in host memory that an execution binds to `uid`; the same for the same uid.
  const DnnDescriptor& scalar(std::int64_t uid, cudnnDataType_t type = CUDNN_DATA_FLOAT);
  /// A value that exists only between operations.
  const DnnDescriptor& inner(const DnnTensorShape& shape, cudnnDataType_t type = CUDNN_DATA_FLOAT);

  void matmul(const DnnDescriptor& a, const DnnDescriptor& b, const DnnDescriptor& c);
  void pointwise(const Pointwise& step, const DnnDescriptor& y);
  void reduce(cudnnReduceTensorOp_t op, const DnnDescriptor& x, const DnnDescriptor& y);
  void reshape(const DnnDescriptor& x, const DnnDescriptor& y);

  /// Finalizes the graph of everything added.
  void finish();

  [[nodiscard]] const DnnDescriptor& descriptor() const { return *graph_; }

 private:
  enum class Storage { buffer, host_scalar, inner };

  const DnnDescriptor& add_tensor(std::int64_t uid,
                                  const DnnTensorShape& shape,
                                  cudnnDataType_t type,
                                  Storage storage);

  std::deque<DnnDescriptor> parts_;  ///< tensors and the mode descriptors of operations
  std::map<std::int64_t, const DnnDescriptor*> scalars_;
  std::deque<DnnDescriptor> operations_;
  std::optional<DnnDescriptor> graph_;
  std::int64_t next_inner_uid_ = 1000;  ///< above every uid that a caller binds
};

}  // namespace forerun::cuda
