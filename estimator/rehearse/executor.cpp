#include "estimator/rehearse/executor.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "estimator/rehearse/initial_values.hpp"
#include "kernels/operands.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

class Stopwatch {
 public:
  [[nodiscard]] Seconds elapsed() const {
    return std::chrono::duration<double>(Clock::now() - start_).count() * unit::second;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

std::size_t byte_count(const Operand& operand) {
  return static_cast<std::size_t>(operand.elements) *
         static_cast<std::size_t>(size_of(operand.type).in(unit::byte));
}

}  // namespace

Executor::Executor(const Job& job,
                   const Placement& placement,
                   Device& device,
                   GridCommunicators& groups)
    : job_(job),
      device_(device),
      groups_(groups),
      work_(stage_work(job, placement, groups.here().pipeline)),
      store_(device, job, work_, groups.of(GroupKind::data_context).rank()) {}

void Executor::initialise(std::uint64_t seed) {
  seed_ = seed;
  store_.initialise(job_, groups_.here().tensor, seed);
}

StepMeasurement Executor::run_step(std::int64_t step, const std::function<void()>& look) {
  now_ = {};
  step_ = step;
  const Stopwatch watch;
  const PipelineShape shape{
      job_.layout.pipeline, job_.layout.virtual_pipeline, micro_batches(job_)};
  for (const PipelineOp& op : stage_program(schedule_of(job_), shape, work_.stage)) {
    const ChunkWork& chunk = work_.chunks[static_cast<std::size_t>(op.chunk)];
    if (op.pass == Pass::forward) {
      run_forward(chunk, op.micro_batch);
    } else {
      run_backward(chunk, op.micro_batch);
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
  now_.total = watch.elapsed();
  now_.host = now_.total - now_.compute - now_.recompute - now_.tensor_parallel -
              now_.pipeline_wait - now_.data_parallel - now_.optimizer;
  return now_;
}

std::int64_t Executor::stage_of(std::int64_t chunk) const {
  return chunk % job_.layout.pipeline;
}

void Executor::run_forward(const ChunkWork& chunk, std::int64_t micro_batch) {
  if (chunk.holds_embedding || chunk.holds_head) {
    load_batch(micro_batch);
  }
  if (!chunk.holds_embedding) {
    receive(chunk.input, micro_batch, stage_of(chunk.chunk - 1));
  }
  run_items(chunk.forward, micro_batch);
  if (!chunk.holds_head) {
    send(chunk.output, micro_batch, stage_of(chunk.chunk + 1));
  }
}

void Executor::run_backward(const ChunkWork& chunk, std::int64_t micro_batch) {
  if (!chunk.holds_head) {
    receive(gradient_of(chunk.output), micro_batch, stage_of(chunk.chunk + 1));
  }
  run_items(chunk.backward, micro_batch);
  if (chunk.holds_head) {
    collect_loss(micro_batch);
  }
  if (!chunk.holds_embedding) {
    send(gradient_of(chunk.input), micro_batch, stage_of(chunk.chunk - 1));
  }
  if (chunk.holds_embedding || chunk.holds_head) {
    store_.release({TensorName::tokens}, micro_batch);
    store_.release({TensorName::targets}, micro_batch);
  }
}

void Executor::load_batch(std::int64_t micro_batch) {
  const std::int64_t global = micro_batch * job_.layout.data + groups_.here().data;
  const TokenBatch batch = token_batch(job_, step_, global, seed_);
  const std::size_t bytes = batch.tokens.size() * sizeof(std::int32_t);
  device_.copy_in(store_.at({TensorName::tokens}, micro_batch, bytes), batch.tokens.data(), bytes);
  device_.copy_in(
      store_.at({TensorName::targets}, micro_batch, bytes), batch.targets.data(), bytes);
}

void Executor::receive(TensorId id, std::int64_t micro_batch, std::int64_t from_stage) {
  const Stopwatch watch;
  const auto bytes = static_cast<std::size_t>(work_.boundary->bytes);
  const auto count = static_cast<std::int64_t>(static_cast<double>(work_.boundary->bytes) /
                                               size_of(work_.boundary->type).in(unit::byte));
  groups_.pipeline(id.gradient ? Pass::backward : Pass::forward)
      .receive(store_.at(id, micro_batch, bytes),
               count,
               work_.boundary->type,
               static_cast<int>(from_stage));
  device_.synchronize();
  now_.pipeline_wait += watch.elapsed();
}

void Executor::send(TensorId id, std::int64_t micro_batch, std::int64_t to_stage) {
  const Stopwatch watch;
  const auto bytes = static_cast<std::size_t>(work_.boundary->bytes);
  const auto count = static_cast<std::int64_t>(static_cast<double>(work_.boundary->bytes) /
                                               size_of(work_.boundary->type).in(unit::byte));
  groups_.pipeline(id.gradient ? Pass::backward : Pass::forward)
      .start_send(store_.at(id, micro_batch, bytes),
                  count,
                  work_.boundary->type,
                  static_cast<int>(to_stage));
  in_flight_.emplace_back(id, micro_batch);
  now_.pipeline_wait += watch.elapsed();
}

void Executor::charge(Part part, Seconds time) {
  switch (part) {
    case Part::compute:
      now_.compute += time;
      break;
    case Part::recompute:
      now_.recompute += time;
      break;
    case Part::tensor_parallel:
      now_.tensor_parallel += time;
      break;
    case Part::data_parallel:
      now_.data_parallel += time;
      break;
    case Part::optimizer:
      now_.optimizer += time;
      break;
  }
}

void Executor::run_items(const std::vector<WorkItem>& items, std::int64_t micro_batch) {
  for (const WorkItem& item : items) {
    const Stopwatch watch;
    if (const auto* kernel = std::get_if<KernelWork>(&item.work)) {
      run_kernel(*kernel, micro_batch);
    } else {
      run_collective(std::get<CollectiveWork>(item.work), micro_batch);
    }
    charge(item.part, watch.elapsed());
    for (const TensorId id : item.release) {
      store_.release(id, micro_batch);
    }
  }
}

void Executor::run_kernel(const KernelWork& kernel, std::int64_t micro_batch) {
  const auto specs = operands_of(kernel.key);
  std::vector<void*> operands;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    operands.push_back(store_.at(kernel.operands[i], micro_batch, byte_count(specs[i])));
  }
  device_.run(kernel.key, operands, scalars_for(kernel.key));
}

void Executor::run_collective(const CollectiveWork& collective, std::int64_t micro_batch) {
  const CollectiveKey& key = collective.key;
  Communicator& group = groups_.of(collective.group);
  const auto element = static_cast<std::size_t>(size_of(key.type).in(unit::byte));
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
    case Collective::broadcast:
    case Collective::all_to_all:
    case Collective::send_recv:
      throw std::logic_error("no work list holds this collective");
  }
}

void Executor::run_tail(const std::function<void()>& look) {
  for (const WorkItem& item : work_.tail) {
    if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
      wait_for_stages(*collective);
    }
    const Stopwatch watch;
    if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
      run_collective(*collective, 0);
    } else {
      const auto& kernel = std::get<KernelWork>(item.work);
      if (look && kernel.key.op == KernelOp::adamw) {
        look();
      }
      run_flat_kernel(kernel);
    }
    charge(item.part, watch.elapsed());
  }
}

// The stages that share an embedding wait for each other before they add up its gradient: that is
// time of the pipeline, not of the message.
void Executor::wait_for_stages(const CollectiveWork& collective) {
  if (collective.group == GroupKind::embedding) {
    const Stopwatch watch;
    device_.synchronize();
    groups_.of(collective.group).barrier();
    now_.pipeline_wait += watch.elapsed();
  }
}

// The optimizer works on this rank's shard of the flat buffers, the rest on all of them.
void Executor::run_flat_kernel(const KernelWork& kernel) {
  const auto first = kernel.key.op == KernelOp::adamw
                         ? static_cast<std::size_t>(store_.shard_first())
                         : std::size_t{0};
  std::vector<void*> operands;
  for (const TensorId id : kernel.operands) {
    auto* memory = static_cast<char*>(store_.at(id, 0, 0));
    if (id.name == TensorName::flat_gradient) {
      memory += first * sizeof(float);
    } else if (id.name == TensorName::flat_weight) {
      memory += first * static_cast<std::size_t>(size_of(kernel.key.type).in(unit::byte));
    }
    operands.push_back(memory);
  }
  device_.run(kernel.key, operands, scalars_for(kernel.key));
}

KernelScalars Executor::scalars_for(const KernelKey& key) const {
  KernelScalars scalars;
  const auto tokens = static_cast<double>(job_.recipe.global_batch * job_.recipe.sequence);
  const std::int64_t tensor_rank = groups_.here().tensor;
  const std::int64_t vocabulary =
      padded_vocabulary(job_.model.vocabulary, job_.layout.tensor) / job_.layout.tensor;
  scalars.scale = 1.0 / tokens;
  scalars.adamw.step = step_ + 1;
  switch (key.op) {
    case KernelOp::embedding_forward:
    case KernelOp::embedding_backward:
    case KernelOp::cross_entropy_max:
    case KernelOp::cross_entropy_sum:
    case KernelOp::cross_entropy_gradient:
      scalars.first = tensor_rank * vocabulary;
      scalars.valid =
          std::clamp<std::int64_t>(job_.model.vocabulary - scalars.first, 0, vocabulary);
      break;
    case KernelOp::position_forward:
    case KernelOp::position_backward: {
      const std::int64_t rows = std::get<TableShape>(key.shape).tokens;
      const bool shards = rows < job_.recipe.sequence * job_.recipe.micro_batch;
      scalars.first = shards ? tensor_rank * rows : 0;
      break;
    }
    default:
      break;
  }
  return scalars;
}

void Executor::collect_loss(std::int64_t micro_batch) {
  const TensorId id{TensorName::row_loss, job_.model.layers};
  std::vector<float> rows(static_cast<std::size_t>(job_.recipe.sequence * job_.recipe.micro_batch));
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
