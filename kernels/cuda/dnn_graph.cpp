// Descriptors of cuDNN's graph operations, one function an operation.
#include "kernels/cuda/dnn_graph.hpp"

#include <span>
#include <utility>
#include <vector>

namespace forerun::cuda {

namespace {

/// What cuDNN may assume of buffers: the vector loads of its kernels.
constexpr std::int64_t tensor_alignment_bytes = 16;

}  // namespace

DnnTensorShape packed(const Dims& sizes) {
  return {sizes, {sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1}};
}

DnnTensorShape transposed(const DnnTensorShape& shape) {
  DnnTensorShape result = shape;
  std::swap(result.sizes[2], result.sizes[3]);
  std::swap(result.strides[2], result.strides[3]);
  return result;
}

const DnnDescriptor& DnnGraph::tensor(std::int64_t uid,
                                      const DnnTensorShape& shape,
                                      cudnnDataType_t type) {
  return add_tensor(uid, shape, type, Storage::buffer);
}

const DnnDescriptor& DnnGraph::scalar(std::int64_t uid, cudnnDataType_t type) {
  const auto known = scalars_.find(uid);
  if (known != scalars_.end()) {
    return *known->second;
  }
  const DnnDescriptor& scalar = add_tensor(uid, packed({1, 1, 1, 1}), type, Storage::host_scalar);
  scalars_.emplace(uid, &scalar);
  return scalar;
}

const DnnDescriptor& DnnGraph::inner(const DnnTensorShape& shape, cudnnDataType_t type) {
  return add_tensor(next_inner_uid_++, shape, type, Storage::inner);
}

const DnnDescriptor& DnnGraph::add_tensor(std::int64_t uid,
                                          const DnnTensorShape& shape,
                                          cudnnDataType_t type,
                                          Storage storage) {
  DnnDescriptor& tensor = parts_.emplace_back(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS,
           CUDNN_TYPE_INT64,
           std::span<const std::int64_t>(shape.sizes))
      .set(
          CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span<const std::int64_t>(shape.strides))
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, uid)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, tensor_alignment_bytes);
  if (storage == Storage::inner) {
    tensor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true);
  }
  if (storage == Storage::host_scalar) {
    tensor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, true);
  }
  tensor.finalize();
  return tensor;
}

void DnnGraph::matmul(const DnnDescriptor& a, const DnnDescriptor& b, const DnnDescriptor& c) {
  DnnDescriptor& mode = parts_.emplace_back(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  mode.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT).finalize();
  operations_.emplace_back(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, a)
      .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, b)
      .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, c)
      .set(CUDNN_ATTR_OPERATION_MATMUL_DESC, mode)
      .finalize();
}

void DnnGraph::pointwise(const Pointwise& step, const DnnDescriptor& y) {
  DnnDescriptor& mode = parts_.emplace_back(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  mode.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, step.mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, step.compute);
  if (step.axis) {
    mode.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, *step.axis);
  }
  mode.finalize();
  DnnDescriptor& operation = operations_.emplace_back(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, step.a)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, CUDNN_TYPE_FLOAT, 1.0F)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, CUDNN_TYPE_FLOAT, 1.0F);
  if (step.b != nullptr) {
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *step.b);
  }
  if (step.t != nullptr) {
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *step.t);
  }
  operation.finalize();
}

void DnnGraph::reduce(cudnnReduceTensorOp_t op, const DnnDescriptor& x, const DnnDescriptor& y) {
  DnnDescriptor& mode = parts_.emplace_back(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  mode.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, op)
      .finalize();
  operations_.emplace_back(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, mode)
      .set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y)
      .finalize();
}

void DnnGraph::reshape(const DnnDescriptor& x, const DnnDescriptor& y) {
  operations_.emplace_back(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y)
      .finalize();
}

void DnnGraph::finish() {
  std::vector<cudnnBackendDescriptor_t> operations;
  operations.reserve(operations_.size());
  for (const DnnDescriptor& operation : operations_) {
    operations.push_back(operation.raw());
  }
  graph_.emplace(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph_
      ->set(CUDNN_ATTR_OPERATIONGRAPH_OPS,
            CUDNN_TYPE_BACKEND_DESCRIPTOR,
            std::span<const cudnnBackendDescriptor_t>(operations))
      .finalize();
}

}  // namespace forerun::cuda
