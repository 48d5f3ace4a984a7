// Asking cuDNN for engines, compiling the first that works, and executing it.
#include "kernels/cuda/dnn_plan.hpp"

#include <span>
#include <stdexcept>

#include "kernels/cuda/library_check.hpp"

namespace forerun::cuda {

namespace {

/// Engines that `mode` proposes for the graph on the device, best first.
std::vector<DnnDescriptor> proposed(const DnnGraph& graph,
                                    const DnnDescriptor& device,
                                    cudnnBackendHeurMode_t mode) {
  DnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.descriptor())
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode)
      .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device)
      .finalize();
  std::int64_t count = 0;
  FORERUN_CUDA_CHECK(cudnnBackendGetAttribute(heuristic.raw(),
                                              CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                              0,
                                              &count,
                                              nullptr));
  std::vector<DnnDescriptor> results;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < count; ++i) {
    raw.push_back(results.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).raw());
  }
  std::int64_t written = 0;
  FORERUN_CUDA_CHECK(cudnnBackendGetAttribute(heuristic.raw(),
                                              CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                              count,
                                              &written,
                                              raw.data()));
  results.erase(results.begin() + written, results.end());
  return results;
}

std::vector<DnnDescriptor> proposed(const DnnGraph& graph, const DnnDescriptor& device) {
  std::vector<DnnDescriptor> all;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    try {
      for (DnnDescriptor& configuration : proposed(graph, device, mode)) {
        all.push_back(std::move(configuration));
      }
    } catch (const std::runtime_error&) {
      // A mode that knows no engine says so with an error; the other one may know some.
      if (mode == CUDNN_HEUR_MODE_FALLBACK && all.empty()) {
        throw;
      }
    }
  }
  return all;
}

/// The first configuration that compiles, and its index.
std::pair<DnnDescriptor, std::size_t> compiled(const std::vector<DnnDescriptor>& configurations,
                                               const DnnDescriptor& device) {
  std::string reason = "cuDNN proposes no engine for this graph";
  for (std::size_t i = 0; i < configurations.size(); ++i) {
    try {
      DnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configurations[i])
          .set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device)
          .finalize();
      return {std::move(plan), i};
    } catch (const std::runtime_error& error) {
      reason = error.what();
    }
  }
  throw std::runtime_error("no cuDNN engine runs this attention: " + reason);
}

std::int64_t engine_of(const DnnDescriptor& configuration) {
  const DnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.raw();
  std::int64_t count = 0;
  FORERUN_CUDA_CHECK(cudnnBackendGetAttribute(configuration.raw(),
                                              CUDNN_ATTR_ENGINECFG_ENGINE,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                              1,
                                              &count,
                                              &raw));
  std::int64_t index = -1;
  FORERUN_CUDA_CHECK(cudnnBackendGetAttribute(
      engine.raw(), CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count, &index));
  return index;
}

std::size_t workspace_of(const DnnDescriptor& plan) {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  FORERUN_CUDA_CHECK(cudnnBackendGetAttribute(
      plan.raw(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes));
  return static_cast<std::size_t>(bytes);
}

}  // namespace

DnnDescriptor device_properties(int ordinal) {
  DnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, ordinal).finalize();
  return device;
}

DnnDescriptor device_properties(const std::string& json) {
  DnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device
      .set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::span<const char>(json))
      .finalize();
  return device;
}

DnnPlan::DnnPlan(DnnGraph graph, const DnnDescriptor& device)
    : graph_(std::move(graph)),
      configurations_(proposed(graph_, device)),
      plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
  auto [plan, index] = compiled(configurations_, device);
  plan_ = std::move(plan);
  engine_ = engine_of(configurations_[index]);
  workspace_bytes_ = workspace_of(plan_);
}

void DnnPlan::execute(cudnnHandle_t handle,
                      const std::vector<Binding>& bindings,
                      void* workspace) const {
  std::vector<std::int64_t> uids;
  std::vector<void*> pointers;
  for (const auto& [uid, pointer] : bindings) {
    uids.push_back(uid);
    pointers.push_back(pointer);
  }
  DnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
           CUDNN_TYPE_VOID_PTR,
           std::span<void* const>(pointers))
      .set(
          CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::span<const std::int64_t>(uids))
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace)
      .finalize();
  FORERUN_CUDA_CHECK(cudnnBackendExecute(handle, plan_.raw(), pack.raw()));
}

}  // namespace forerun::cuda
