// Executes the work list of one rank: the same kernels and collectives that `estimate` prices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "comm/watch/rank_watch.hpp"
#include "estimator/measure/grid_communicators.hpp"
#include "estimator/rehearse/backward_parts.hpp"
#include "estimator/rehearse/bucket_exchange.hpp"
#include "estimator/rehearse/context_attention.hpp"
#include "estimator/rehearse/execution.hpp"
#include "estimator/rehearse/expert_exchange.hpp"
#include "estimator/rehearse/stated_routes.hpp"
#include "estimator/rehearse/step_measurement.hpp"
#include "estimator/rehearse/tensor_store.hpp"
#include "estimator/step/part_cost.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/work_list.hpp"
#include "kernels/device.hpp"

namespace forerun {

struct ExecutorOptions {
  Bytes memory = Bytes::infinite();
  /// `on`: collectives that nothing waits for are in flight while kernels run: reductions of
  /// gradients and gathers of weights, and the tensor group's in backward passes.
  Overlap overlap = Overlap::off;
  std::int64_t bucket_parameters = 0;          ///< in a bucket of gradients, about; 0: as estimated
  ExpertChoice choice = ExpertChoice::router;  ///< of experts
};

class Executor {
 public:
  /// Collective. `groups` hold the ranks of the job's layout; both outlive the executor. Throws
  /// OutOfMemory, here and in a step, beyond `options.memory` or what there is.
  Executor(const Job& job,
           const Placement& placement,
           Device& device,
           GridCommunicators& groups,
           const ExecutorOptions& options = {});
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  Executor(Executor&&) = delete;
  Executor& operator=(Executor&&) = delete;
  ~Executor() = default;

  void initialise(std::uint64_t seed);

  /// Tells this watch what the rank waits for, and that it gets on; null: nobody.
  void tell(RankWatch* watch) { watch_ = watch; }

  /// Every step from now on trains on the batch of step 0.
  void hold_batch() { holds_batch_ = true; }

  /// One optimizer step on the batch of `step`. Collective over the groups. `look` is called when
  /// the gradients are reduced, before the optimizer uses them.
  StepMeasurement run_step(std::int64_t step, const std::function<void()>& look = {});

  /// Collective: the weights are those after the last update, where their gather was put off.
  void settle();

  [[nodiscard]] const TensorStore& store() const { return store_; }

  [[nodiscard]] const StageWork& work() const { return work_; }

  [[nodiscard]] const WeightPart& weight_part() const { return part_; }

  [[nodiscard]] const ExpertExchange& experts() const { return experts_; }

  /// `stated` only where it was asked for and the job's load says where tokens go.
  [[nodiscard]] ExpertChoice choice() const {
    return stated_ ? ExpertChoice::stated : ExpertChoice::router;
  }

 private:
  void run_forward(const ChunkWork& chunk, std::int64_t micro_batch);
  void run_backward(const PipelineOp& op);
  void plan_overlap(const FlatBuckets& buckets);
  [[nodiscard]] const std::vector<WorkItem>& backward_items(const PipelineOp& op) const;
  void begin_overlap();
  void before_item(const std::vector<WorkItem>& items, std::size_t index);
  void after_item(const std::vector<WorkItem>& items, std::size_t index);
  void end_items();
  bool starts_beside(const std::vector<WorkItem>& items,
                     std::size_t index,
                     std::int64_t micro_batch);
  void finish_beside();
  bool exchanges_buckets(const CollectiveWork& collective);
  void gather_ahead(const std::vector<WorkItem>& items, std::size_t index);
  void run_items(const std::vector<WorkItem>& items, Pass pass, std::int64_t micro_batch);
  /// The time that counts as the item's; what else passes is the executor's own.
  Seconds run_item(const WorkItem& item, Pass pass, std::int64_t micro_batch);
  void run_kernel(const KernelWork& kernel, std::int64_t micro_batch);
  void run_on_positions(const KernelWork& kernel, const std::vector<void*>& operands);
  void run_collective(const CollectiveWork& collective, std::int64_t micro_batch);
  bool moves_units(const CollectiveWork& collective, ShardedWeights& sharded);
  bool runs_on_parts(const KernelWork& kernel);
  void gather_head(const ChunkWork& chunk);
  void give_back_weights();
  void run_tail(const std::function<void()>& look);
  void wait_for_stages(const CollectiveWork& collective);
  void run_flat_kernel(const KernelWork& kernel);
  void run_update(const KernelWork& kernel);
  void load_batch(const ChunkWork& chunk, std::int64_t micro_batch);
  void receive(TensorId id, std::int64_t micro_batch, std::int64_t from_stage);
  void send(TensorId id, std::int64_t micro_batch, std::int64_t to_stage);
  void collect_loss(std::int64_t micro_batch);
  [[nodiscard]] std::int64_t message_elements() const;
  [[nodiscard]] std::int64_t stage_of(std::int64_t chunk) const;

  Job job_;
  WeightPart part_;
  Device& device_;
  GridCommunicators& groups_;
  StageWork work_;
  TensorStore store_;
  ContextAttention context_;
  ExpertExchange experts_;
  std::optional<StatedRoutes> stated_;   ///< where the router does not choose
  std::vector<BackwardParts> backward_;  ///< of each chunk, where the schedule splits it

  /// A collective that runs while the kernel that is named does.
  struct Beside {
    const WorkItem* item = nullptr;
    std::int64_t micro_batch = 0;
  };

  Overlap overlap_;
  std::optional<BucketExchange> buckets_;
  std::unique_ptr<Communicator> reducing_;  ///< adds up parts of gradients while others gather
  std::optional<Beside> beside_;
  RankWatch* watch_ = nullptr;
  bool holds_batch_ = false;
  std::int64_t step_ = 0;
  std::uint64_t seed_ = 1;
  StepMeasurement now_;
  std::vector<std::pair<TensorId, std::int64_t>> in_flight_;  ///< being sent
};

}  // namespace forerun
