#include "estimator/rehearse/executor.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "estimator/rehearse/initial_values.hpp"
#include "estimator/rehearse/kernel_scalars.hpp"
#include "estimator/rehearse/sequence_rows.hpp"
#include "estimator/rehearse/stopwatch.hpp"
#include "jobs/chunk_placement.hpp"
#include "kernels/operands.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

bool depends_on_positions(KernelOp op) {
  return op == KernelOp::rope_forward || op == KernelOp::rope_backward ||
         op == KernelOp::position_forward || op == KernelOp::position_backward;
}

ShardRanks shard_ranks(const Job& job, GridCommunicators& groups, const FlatBuckets& buckets) {
  return {.data = groups.of(GroupKind::data_context).rank(),
          .expert_data = job.model.moe ? groups.of(GroupKind::expert_data).rank() : 0,
          .buckets = buckets.dense,
          .expert_buckets = buckets.experts};
}

// None where one operation follows the other: the flat buffers are reduced whole.
FlatBuckets buckets_of(const StageWork& work, const Job& job, const ExecutorOptions& options) {
  return options.overlap == Overlap::on ? buckets_of(work, job, options.bucket_parameters)
                                        : FlatBuckets();
}

}  // namespace

Executor::Executor(const Job& job,
                   const Placement& placement,
                   Device& device,
                   GridCommunicators& groups,
                   const ExecutorOptions& options)
    : job_(job),
      device_(device),
      groups_(groups),
      work_(stage_work(job, placement, groups.here().pipeline)),
      store_(device,
             job,
             work_,
             shard_ranks(job, groups, buckets_of(work_, job, options)),
             options.memory),
      context_({job_, device, groups, store_}),
      experts_({job_, device, groups, store_},
               groups.grid().expert_coordinates(groups.world_rank()).expert),
      overlap_(options.overlap) {
  const ExpertCoordinates at = groups.grid().expert_coordinates(groups.world_rank());
  part_ = {groups.here().tensor, at.expert, at.expert_tensor};
  for (ChunkWork& chunk : work_.chunks) {
    context_.keep_alive(chunk.backward);
    if (splits_backward(schedule_of(job))) {
      backward_.push_back(backward_parts(chunk.backward));
    }
  }
  if (options.choice == ExpertChoice::stated && says_where(job.recipe.expert_load)) {
    stated_.emplace(Execution{job_, device, groups, store_});
  }
  if (overlap_ == Overlap::on) {
    plan_overlap(buckets_of(work_, job, options));
  }
}

void Executor::initialise(std::uint64_t seed) {
  seed_ = seed;
  store_.initialise(job_, part_, seed);
}

StepMeasurement Executor::run_step(std::int64_t step, const std::function<void()>& look) {
  now_ = {};
  experts_.begin_step();
  step_ = step;
  const Stopwatch watch;
  const PipelineShape shape = pipeline_shape(job_);
  begin_overlap();
  for (const PipelineOp& op : stage_program(schedule_of(job_), shape, work_.stage)) {
    if (op.pass == Pass::forward) {
      run_forward(work_.chunks[static_cast<std::size_t>(op.chunk)], op.micro_batch);
    } else {
      run_backward(op);
    }
  }
  groups_.pipeline(Pass::forward).finish_sends();
  groups_.pipeline(Pass::backward).finish_sends();
  for (const auto& [id, micro_batch] : in_flight_) {
    store_.release(id, micro_batch);
  }
  in_flight_.clear();
  run_tail(look);
  device_.synchronize();
  now_.close(watch.elapsed());
  return now_;
}

std::int64_t Executor::stage_of(std::int64_t chunk) const {
  const std::int64_t stages = job_.layout.pipeline;
  const bool is_v = placement_of(schedule_of(job_)) == ChunkPlacement::v_shape;
  return is_v && chunk >= stages ? 2 * stages - 1 - chunk : chunk % stages;
}

void Executor::run_forward(const ChunkWork& chunk, std::int64_t micro_batch) {
  load_batch(chunk, micro_batch);
  if (!chunk.holds_embedding) {
    receive(chunk.input, micro_batch, stage_of(chunk.chunk - 1));
  }
  run_items(chunk.forward, Pass::forward, micro_batch);
  if (!chunk.holds_head) {
    give_back_weights();
    send(chunk.output, micro_batch, stage_of(chunk.chunk + 1));
  }
}

void Executor::run_backward(const PipelineOp& op) {
  const ChunkWork& chunk = work_.chunks[static_cast<std::size_t>(op.chunk)];
  const bool passes_on = op.pass != Pass::backward_weight;
  if (passes_on && !chunk.holds_head) {
    receive(gradient_of(chunk.output), op.micro_batch, stage_of(chunk.chunk + 1));
  }
  if (op.pass == Pass::backward) {
    gather_head(chunk);
    run_items(backward_items(op), op.pass, op.micro_batch);
    give_back_weights();
  } else {
    run_items(backward_items(op), op.pass, op.micro_batch);
  }
  if (passes_on && chunk.holds_head) {
    collect_loss(op.micro_batch);
  }
  if (passes_on && !chunk.holds_embedding) {
    send(gradient_of(chunk.input), op.micro_batch, stage_of(chunk.chunk - 1));
  }
  if (op.pass != Pass::backward_input && chunk.holds_embedding) {
    store_.release({TensorName::tokens}, op.micro_batch);
  }
  if (op.pass != Pass::backward_input && chunk.holds_head) {
    store_.release({TensorName::targets}, op.micro_batch);
  }
}

void Executor::give_back_weights() {
  if (store_.sharded() != nullptr) {
    store_.sharded()->give_back();
  }
}

// The head's weights stay from its forward to its backward pass, unless another micro-batch's
// backward pass has come between.
void Executor::gather_head(const ChunkWork& chunk) {
  ShardedWeights* const sharded = store_.sharded();
  if (sharded != nullptr && chunk.holds_head && !sharded->is_whole(job_.model.layers)) {
    const Stopwatch watch;
    sharded->gather(job_.model.layers, groups_.of(GroupKind::data_context));
    now_.data_parallel += watch.elapsed();
  }
}

void Executor::load_batch(const ChunkWork& chunk, std::int64_t micro_batch) {
  if (!chunk.holds_embedding && !chunk.holds_head) {
    return;
  }
  const std::int64_t global = micro_batch * job_.layout.data + groups_.here().data;
  const TokenBatch batch = rows_of_rank(
      job_, groups_.here().context, token_batch(job_, holds_batch_ ? 0 : step_, global, seed_));
  const auto load = [&](TensorName name, const std::vector<std::int32_t>& values) {
    const std::size_t bytes = values.size() * sizeof(std::int32_t);
    device_.copy_in(store_.at({name}, micro_batch, bytes), values.data(), bytes);
  };
  if (chunk.holds_embedding) {
    load(TensorName::tokens, batch.tokens);
  }
  if (chunk.holds_head) {
    load(TensorName::targets, batch.targets);
  }
}

std::int64_t Executor::message_elements() const {
  return work_.boundary->bytes / static_cast<std::int64_t>(element_bytes(work_.boundary->type));
}

// Between two chunks of one stage (the turn of a V) nothing travels.
void Executor::receive(TensorId id, std::int64_t micro_batch, std::int64_t from_stage) {
  if (from_stage == work_.stage) {
    return;
  }
  const Stopwatch watch;
  const Watched watched(watch_, "a message between pipeline stages");
  groups_.pipeline(id.gradient ? Pass::backward : Pass::forward)
      .receive(store_.at(id, micro_batch, static_cast<std::size_t>(work_.boundary->bytes)),
               message_elements(),
               work_.boundary->type,
               static_cast<int>(from_stage));
  device_.synchronize();
  now_.pipeline_wait += watch.elapsed();
}

void Executor::send(TensorId id, std::int64_t micro_batch, std::int64_t to_stage) {
  if (to_stage == work_.stage) {
    return;
  }
  const Stopwatch watch;
  groups_.pipeline(id.gradient ? Pass::backward : Pass::forward)
      .start_send(store_.at(id, micro_batch, static_cast<std::size_t>(work_.boundary->bytes)),
                  message_elements(),
                  work_.boundary->type,
                  static_cast<int>(to_stage));
  in_flight_.emplace_back(id, micro_batch);
  now_.pipeline_wait += watch.elapsed();
}

void Executor::run_items(const std::vector<WorkItem>& items, Pass pass, std::int64_t micro_batch) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const WorkItem& item = items[i];
    before_item(items, i);
    if (!starts_beside(items, i, micro_batch)) {
      now_.charge(item.part, pass, run_item(item, pass, micro_batch));
      for (const TensorId id : item.release) {
        store_.release(id, micro_batch);
      }
    }
    after_item(items, i);
    if (watch_ != nullptr) {
      watch_->tick();
    }
  }
  end_items();
}

Seconds Executor::run_item(const WorkItem& item, Pass pass, std::int64_t micro_batch) {
  const auto* const kernel = std::get_if<KernelWork>(&item.work);
  if (context_.takes(item)) {
    const Watched watched(kernel == nullptr ? watch_ : nullptr, "keys and values of other ranks");
    const KernelScalars scalars =
        kernel != nullptr ? scalars_of(job_, part_.tensor, step_, kernel->key) : KernelScalars{};
    return context_.run(item, pass, micro_batch, scalars);
  }
  const Stopwatch watch;
  if (kernel == nullptr) {
    run_collective(std::get<CollectiveWork>(item.work), micro_batch);
  } else if (!item.is_routed) {
    run_kernel(*kernel, micro_batch);
  } else if (const auto routed = experts_.routed(*kernel, micro_batch)) {
    run_kernel(*routed, micro_batch);
  }
  experts_.follow(item, micro_batch);
  return watch.elapsed();
}

void Executor::run_kernel(const KernelWork& kernel, std::int64_t micro_batch) {
  const auto specs = operands_of(kernel.key);
  std::vector<void*> operands;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    operands.push_back(store_.at(kernel.operands[i], micro_batch, bytes_of(specs[i])));
  }
  if (stated_ && kernel.key.op == KernelOp::router_forward) {
    operands.front() = stated_->logits(kernel.key, kernel.operands.front().layer, micro_batch);
  }
  if (job_.layout.context > 1 && depends_on_positions(kernel.key.op)) {
    run_on_positions(kernel, operands);
    return;
  }
  device_.run(kernel.key, operands, scalars_of(job_, part_.tensor, step_, kernel.key));
}

// Early and late tokens of this rank are not neighbours in the sequence: one run for each.
void Executor::run_on_positions(const KernelWork& kernel, const std::vector<void*>& operands) {
  const auto* const heads = std::get_if<HeadsShape>(&kernel.key.shape);
  const auto* const table = std::get_if<TableShape>(&kernel.key.shape);
  const std::int64_t rows = heads != nullptr ? heads->tokens : table->tokens;
  const std::int64_t width =
      heads != nullptr ? (heads->heads + 2 * heads->kv_heads) * heads->head_size : table->columns;
  const std::size_t moved = kernel.key.op == KernelOp::position_forward ? 1 : 0;
  const std::int64_t first = first_row(job_, part_.tensor, kernel.key);
  for (const RowRun& run : row_runs(job_, groups_.here().context, first, rows)) {
    KernelKey key = kernel.key;
    if (auto* const of_heads = std::get_if<HeadsShape>(&key.shape)) {
      of_heads->tokens = run.count;
    } else {
      std::get<TableShape>(key.shape).tokens = run.count;
    }
    std::vector<void*> part = operands;
    part[moved] = static_cast<char*>(part[moved]) +
                  static_cast<std::size_t>(run.local * width) * element_bytes(key.type);
    KernelScalars scalars = scalars_of(job_, part_.tensor, step_, key);
    scalars.first = run.global;
    device_.run(key, part, scalars);
  }
}

void Executor::run_collective(const CollectiveWork& collective, std::int64_t micro_batch) {
  const CollectiveKey& key = collective.key;
  const Watched watched(watch_, name_of(key.op));
  if (ShardedWeights* const sharded = store_.sharded();
      sharded != nullptr && moves_units(collective, *sharded)) {
    return;
  }
  Communicator& group = groups_.of(collective.group);
  const std::size_t element = element_bytes(key.type);
  const auto whole = static_cast<std::size_t>(key.bytes);
  const std::size_t share = whole / static_cast<std::size_t>(group.size());
  const auto count = static_cast<std::int64_t>(share / element);
  const bool in_place = collective.from == collective.to;
  const std::size_t own = static_cast<std::size_t>(group.rank()) * share;
  switch (key.op) {
    case Collective::all_reduce:
      group.all_reduce(store_.at(collective.from, micro_batch, whole),
                       store_.at(collective.to, micro_batch, whole),
                       static_cast<std::int64_t>(whole / element),
                       key.type,
                       collective.reduce);
      break;
    case Collective::all_gather: {
      auto* const to = static_cast<char*>(store_.at(collective.to, micro_batch, whole));
      group.all_gather(in_place ? to + own : store_.at(collective.from, micro_batch, share),
                       to,
                       count,
                       key.type);
      break;
    }
    case Collective::reduce_scatter: {
      auto* const from = static_cast<char*>(store_.at(collective.from, micro_batch, whole));
      group.reduce_scatter(from,
                           in_place ? from + own : store_.at(collective.to, micro_batch, share),
                           count,
                           key.type);
      break;
    }
    case Collective::all_to_all:
      experts_.exchange(collective, micro_batch);
      break;
    case Collective::broadcast:
    case Collective::send_recv:
      throw std::logic_error("no work list holds this collective");
  }
}

// What the work list knows as one buffer lies in parts: unit by unit.
bool Executor::moves_units(const CollectiveWork& collective, ShardedWeights& sharded) {
  Communicator& group = groups_.of(collective.group);
  switch (collective.to.name) {
    case TensorName::layer_weight:
      sharded.gather(collective.to.layer, group);
      return true;
    case TensorName::layer_gradient:
      if (overlap_ == Overlap::on) {
        sharded.start_reduce(collective.to.layer, *reducing_);
      } else {
        sharded.reduce(collective.to.layer, group);
      }
      return true;
    case TensorName::replicated_gradient:
      sharded.sum_replicated(group);
      return true;
    case TensorName::flat_weight:
      sharded.share_updated(group);
      return true;
    case TensorName::w_embedding:
      sharded.sum_embedding(group);
      return true;
    default:
      return false;
  }
}

void Executor::collect_loss(std::int64_t micro_batch) {
  const TensorId id{TensorName::row_loss, job_.model.layers};
  std::vector<float> rows(static_cast<std::size_t>(job_.recipe.sequence / job_.layout.context *
                                                   job_.recipe.micro_batch));
  device_.synchronize();
  device_.copy_out(rows.data(),
                   store_.at(id, micro_batch, rows.size() * sizeof(float)),
                   rows.size() * sizeof(float));
  store_.release(id, micro_batch);
  for (const float loss : rows) {
    now_.loss_sum += static_cast<double>(loss);
  }
}

}  // namespace forerun
