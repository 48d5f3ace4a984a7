// Executes the work list of one rank: the same kernels and collectives that `estimate` prices.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "estimator/measure/grid_communicators.hpp"
#include "estimator/rehearse/tensor_store.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/work_list.hpp"
#include "kernels/device.hpp"

namespace forerun {

/// Where this rank's time went in one step. The parts are those of the estimate; waiting for the
/// pipeline holds both its bubble and its messages. They sum to `total` but for the executor's own
/// bookkeeping, which `host` is.
struct StepMeasurement {
  Seconds total;
  Seconds compute;
  Seconds recompute;
  Seconds tensor_parallel;
  Seconds pipeline_wait;
  Seconds data_parallel;
  Seconds optimizer;
  Seconds host;
  double loss_sum = 0.0;  ///< over this rank's tokens; nonzero on the last stage only
};

class Executor {
 public:
  /// `groups` hold the ranks of the job's layout; both outlive the executor.
  Executor(const Job& job, const Placement& placement, Device& device, GridCommunicators& groups);

  void initialise(std::uint64_t seed);

  /// One optimizer step on the batch of `step`. Collective over the groups. `look` is called when
  /// the gradients are reduced, before the optimizer uses them.
  StepMeasurement run_step(std::int64_t step, const std::function<void()>& look = {});

  [[nodiscard]] const TensorStore& store() const { return store_; }

  [[nodiscard]] const StageWork& work() const { return work_; }

  [[nodiscard]] std::int64_t tensor_rank() const { return groups_.here().tensor; }

 private:
  void run_forward(const ChunkWork& chunk, std::int64_t micro_batch);
  void run_backward(const ChunkWork& chunk, std::int64_t micro_batch);
  void run_items(const std::vector<WorkItem>& items, std::int64_t micro_batch);
  void run_kernel(const KernelWork& kernel, std::int64_t micro_batch);
  void run_collective(const CollectiveWork& collective, std::int64_t micro_batch);
  void run_tail(const std::function<void()>& look);
  void wait_for_stages(const CollectiveWork& collective);
  void run_flat_kernel(const KernelWork& kernel);
  void load_batch(std::int64_t micro_batch);
  void receive(TensorId id, std::int64_t micro_batch, std::int64_t from_stage);
  void send(TensorId id, std::int64_t micro_batch, std::int64_t to_stage);
  void collect_loss(std::int64_t micro_batch);
  [[nodiscard]] KernelScalars scalars_for(const KernelKey& key) const;
  [[nodiscard]] std::int64_t stage_of(std::int64_t chunk) const;
  void charge(Part part, Seconds time);

  Job job_;
  Device& device_;
  GridCommunicators& groups_;
  StageWork work_;
  TensorStore store_;
  std::int64_t step_ = 0;
  std::uint64_t seed_ = 1;
  StepMeasurement now_;
  std::vector<std::pair<TensorId, std::int64_t>> in_flight_;  ///< being sent
};

}  // namespace forerun
