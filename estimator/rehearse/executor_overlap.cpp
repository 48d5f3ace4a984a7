// Collectives in flight while kernels run.
#include <utility>

#include "estimator/rehearse/executor.hpp"
#include "estimator/rehearse/overlap_order.hpp"
#include "estimator/rehearse/stopwatch.hpp"
#include "kernels/operands.hpp"

namespace forerun {
namespace {

const CollectiveWork* gather_of_weights(const WorkItem& item) {
  const auto* const collective = std::get_if<CollectiveWork>(&item.work);
  return collective != nullptr && collective->to.name == TensorName::layer_weight ? collective
                                                                                  : nullptr;
}

// Whether the kernel under which this collective hides is the next item.
bool is_covered(const std::vector<WorkItem>& items, std::size_t index, const KernelKey& cover) {
  const auto* const kernel =
      index + 1 < items.size() ? std::get_if<KernelWork>(&items[index + 1].work) : nullptr;
  return kernel != nullptr && kernel->key == cover;
}

}  // namespace

void Executor::plan_overlap(const FlatBuckets& buckets) {
  std::vector<const std::vector<WorkItem>*> forward;
  std::vector<const std::vector<WorkItem>*> backward;
  for (ChunkWork& chunk : work_.chunks) {
    chunk.backward = in_overlap_order(std::move(chunk.backward));
    forward.push_back(&chunk.forward);
    if (backward_.empty()) {
      backward.push_back(&chunk.backward);
    }
  }
  for (BackwardParts& parts : backward_) {
    parts.input = in_overlap_order(std::move(parts.input));
    parts.weight = in_overlap_order(std::move(parts.weight));
    backward.insert(backward.end(), {&parts.input, &parts.weight});
  }
  const Execution here{job_, device_, groups_, store_};
  if (store_.sharded() == nullptr) {
    buckets_.emplace(here, work_, buckets, forward, backward);
  } else {
    Communicator& group = groups_.of(GroupKind::data_context);
    reducing_ = group.split(0, group.rank());
  }
}

const std::vector<WorkItem>& Executor::backward_items(const PipelineOp& op) const {
  const auto index = static_cast<std::size_t>(op.chunk);
  if (op.pass == Pass::backward) {
    return work_.chunks[index].backward;
  }
  const BackwardParts& parts = backward_[index];
  return op.pass == Pass::backward_weight ? parts.weight : parts.input;
}

void Executor::begin_overlap() {
  if (!buckets_) {
    return;
  }
  std::vector<const std::vector<WorkItem>*> runs;
  for (const PipelineOp& op : stage_program(schedule_of(job_), pipeline_shape(job_), work_.stage)) {
    if (op.pass != Pass::forward) {
      runs.push_back(&backward_items(op));
    }
  }
  buckets_->begin_step(runs);
}

bool Executor::exchanges_buckets(const CollectiveWork& collective) {
  if (!buckets_) {
    return false;
  }
  const Watched watched(watch_, name_of(collective.key.op));
  return buckets_->takes(collective);
}

void Executor::settle() {
  if (buckets_) {
    buckets_->settle();
  }
}

void Executor::before_item(const std::vector<WorkItem>& items, std::size_t index) {
  if (buckets_) {
    const Stopwatch watch;
    const Watched watched(watch_, "updated weights of other ranks");
    buckets_->before(items, index);
    now_.data_parallel += watch.elapsed();
  }
}

void Executor::after_item(const std::vector<WorkItem>& items, std::size_t index) {
  if (overlap_ == Overlap::off) {
    return;
  }
  if (beside_) {
    const auto& under = std::get<CollectiveWork>(beside_->item->work).hides_under;
    const auto* const kernel = std::get_if<KernelWork>(&items[index].work);
    if (kernel != nullptr && kernel->key == *under) {
      finish_beside();
    }
  }
  const Stopwatch watch;
  if (buckets_) {
    buckets_->after(items, index);
  } else {
    gather_ahead(items, index);
  }
  now_.data_parallel += watch.elapsed();
}

// The weights that are needed next set out when this layer's are there, the first ones at once.
void Executor::gather_ahead(const std::vector<WorkItem>& items, std::size_t index) {
  if (index > 0 && gather_of_weights(items[index]) == nullptr) {
    return;
  }
  for (std::size_t next = index + 1; next < items.size(); ++next) {
    if (const auto* const collective = gather_of_weights(items[next])) {
      store_.sharded()->gather_ahead(collective->to.layer, groups_.of(collective->group));
      return;
    }
  }
}

void Executor::end_items() {
  finish_beside();
  if (reducing_) {
    const Stopwatch watch;
    const Watched watched(watch_, "gradients of other ranks");
    store_.sharded()->finish_reduce(*reducing_);
    now_.data_parallel += watch.elapsed();
  }
}

// Whether the collective has set out and the next items run beside it.
bool Executor::starts_beside(const std::vector<WorkItem>& items,
                             std::size_t index,
                             std::int64_t micro_batch) {
  const WorkItem& item = items[index];
  const auto* const collective = std::get_if<CollectiveWork>(&item.work);
  const bool may_start =
      overlap_ == Overlap::on && collective != nullptr && item.part == Part::tensor_parallel &&
      job_.recipe.software.overlaps_tensor_backward && collective->reduce == ReduceOp::sum &&
      collective->hides_under && is_covered(items, index, *collective->hides_under);
  if (!may_start) {
    return false;
  }
  finish_beside();
  const Stopwatch watch;
  const CollectiveKey& key = collective->key;
  Communicator& group = groups_.of(collective->group);
  const auto whole = static_cast<std::size_t>(key.bytes);
  const std::size_t share = whole / static_cast<std::size_t>(group.size());
  const bool gathers = key.op == Collective::all_gather;
  const bool scatters = key.op == Collective::reduce_scatter;
  const std::size_t count = gathers || scatters ? share : whole;
  group.start_collective({key.op,
                          store_.at(collective->from, micro_batch, gathers ? share : whole),
                          store_.at(collective->to, micro_batch, scatters ? share : whole),
                          static_cast<std::int64_t>(count / element_bytes(key.type)),
                          key.type});
  beside_ = {&item, micro_batch};
  now_.tensor_parallel += watch.elapsed();
  return true;
}

void Executor::finish_beside() {
  if (!beside_) {
    return;
  }
  const Stopwatch watch;
  const WorkItem& item = *beside_->item;
  const auto& collective = std::get<CollectiveWork>(item.work);
  const Watched watched(watch_, name_of(collective.key.op));
  groups_.of(collective.group).finish_collectives();
  now_.tensor_parallel += watch.elapsed();
  for (const TensorId id : item.release) {
    store_.release(id, beside_->micro_batch);
  }
  beside_.reset();
}

}  // namespace forerun
