// What follows the last pass of a step: reductions, optimizer.
#include <stdexcept>

#include "estimator/rehearse/executor.hpp"
#include "estimator/rehearse/kernel_scalars.hpp"
#include "estimator/rehearse/stopwatch.hpp"
#include "kernels/operands.hpp"

namespace forerun {

// Whether the kernel is one of the optimizer's passes over this rank's parts.
bool Executor::runs_on_parts(const KernelWork& kernel) {
  ShardedWeights* const sharded = store_.sharded();
  if (sharded == nullptr) {
    return false;
  }
  if (kernel.key.op == KernelOp::adamw) {
    sharded->update(scalars_of(job_, part_.tensor, step_, kernel.key));
  } else if (kernel.key.op == KernelOp::zero) {
    sharded->zero_gradients();
  } else {
    throw std::logic_error("no kernel works on parts of weights but the optimizer's");
  }
  return true;
}

void Executor::run_tail(const std::function<void()>& look) {
  for (const WorkItem& item : work_.tail) {
    const auto* const collective = std::get_if<CollectiveWork>(&item.work);
    if (collective != nullptr) {
      wait_for_stages(*collective);
    }
    const Stopwatch watch;
    if (collective != nullptr) {
      if (!exchanges_buckets(*collective)) {
        run_collective(*collective, 0);
      }
    } else {
      const auto& kernel = std::get<KernelWork>(item.work);
      if (look && kernel.key.op == KernelOp::adamw) {
        look();
      }
      run_flat_kernel(kernel);
    }
    now_.charge(item.part, Pass::backward, watch.elapsed());
    if (watch_ != nullptr) {
      watch_->tick();
    }
  }
}

// The stages that share an embedding wait for each other before they add up its gradient: that is
// time of the pipeline, not of the message.
void Executor::wait_for_stages(const CollectiveWork& collective) {
  if (collective.group == GroupKind::embedding) {
    const Stopwatch watch;
    const Watched watched(watch_, "the stages that share an embedding");
    device_.synchronize();
    groups_.of(collective.group).barrier();
    now_.pipeline_wait += watch.elapsed();
  }
}

// Kernels of the tail work on the whole of the flat buffers, but for the update.
void Executor::run_flat_kernel(const KernelWork& kernel) {
  if (runs_on_parts(kernel)) {
    return;
  }
  if (kernel.key.op == KernelOp::adamw) {
    run_update(kernel);
    return;
  }
  std::vector<void*> operands;
  for (const TensorId id : kernel.operands) {
    operands.push_back(store_.at(id, 0, 0));
  }
  KernelScalars scalars = scalars_of(job_, part_.tensor, step_, kernel.key);
  if (kernel.key.op == KernelOp::scale) {
    scalars.scale = 1.0;  // of gradients: no norm is too large here
  }
  device_.run(kernel.key, operands, scalars);
}

// On this rank's shards: gradients and weights lie in the whole buffers, state shard after shard.
void Executor::run_update(const KernelWork& kernel) {
  const bool is_of_experts = kernel.operands.front().name == TensorName::expert_flat_gradient;
  const std::int64_t begin = is_of_experts ? store_.weights().elements : 0;
  const auto lies_whole = [](TensorName name) {
    return name == TensorName::flat_gradient || name == TensorName::flat_weight ||
           name == TensorName::expert_flat_gradient || name == TensorName::expert_flat_weight;
  };
  std::int64_t done = 0;
  for (const FlatRange& shard : is_of_experts ? store_.expert_shards() : store_.shards()) {
    std::vector<void*> operands;
    for (const TensorId id : kernel.operands) {
      const bool is_weight_itself =
          id.name == TensorName::flat_weight || id.name == TensorName::expert_flat_weight;
      const std::int64_t first = lies_whole(id.name) ? shard.first - begin : done;
      const std::size_t bytes = is_weight_itself ? element_bytes(kernel.key.type) : sizeof(float);
      operands.push_back(static_cast<char*>(store_.at(id, 0, 0)) +
                         static_cast<std::size_t>(first) * bytes);
    }
    KernelKey key = kernel.key;
    std::get<FlatShape>(key.shape).elements = shard.elements;
    device_.run(key, operands, scalars_of(job_, part_.tensor, step_, kernel.key));
    done += shard.elements;
  }
}

}  // namespace forerun
