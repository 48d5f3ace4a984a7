// A cuDNN graph compiled for one device: an engine chosen by cuDNN's heuristics, ready to execute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <cudnn_graph.h>

#include "kernels/cuda/dnn_descriptor.hpp"
#include "kernels/cuda/dnn_graph.hpp"

namespace forerun::cuda {

/// What a plan is compiled for: the GPU with this CUDA ordinal.
[[nodiscard]] DnnDescriptor device_properties(int ordinal);
/// The same from cuDNN's JSON form of the properties, so that plans can be compiled without a GPU.
[[nodiscard]] DnnDescriptor device_properties(const std::string& json);

/// A uid and where its buffer (device) or scalar (host) lies.
using Binding = std::pair<std::int64_t, void*>;

class DnnPlan {
 public:
  /// Tries the engines that cuDNN proposes, best first, and keeps the first that compiles. Throws
  /// std::runtime_error with cuDNN's last reason when none does.
  DnnPlan(DnnGraph graph, const DnnDescriptor& device);

  [[nodiscard]] std::size_t workspace_bytes() const { return workspace_bytes_; }

  /// cuDNN's index of the engine among those that could run the graph.
  [[nodiscard]] std::int64_t engine() const { return engine_; }

  /// Enqueues on the handle's stream. `workspace` holds workspace_bytes().
  void execute(cudnnHandle_t handle, const std::vector<Binding>& bindings, void* workspace) const;

 private:
  DnnGraph graph_;
  std::vector<DnnDescriptor> configurations_;  ///< the plan refers to one of them
  DnnDescriptor plan_;
  std::size_t workspace_bytes_ = 0;
  std::int64_t engine_ = -1;
};

}  // namespace forerun::cuda
