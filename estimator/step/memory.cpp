#include "estimator/step/memory.hpp"

#include <algorithm>
#include <map>

#include "kernels/operands.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Sizes = std::map<TensorId, Bytes>;

Bytes size_of_operand(const Operand& operand) {
  return static_cast<double>(operand.elements) * size_of(operand.type);
}

// Bytes that a rank holds of a collective's result.
Bytes result_size(const CollectiveKey& key) {
  const auto bytes = static_cast<double>(key.bytes);
  const bool is_shard = key.op == Collective::reduce_scatter;
  return (is_shard ? bytes / static_cast<double>(key.group.ranks) : bytes) * unit::byte;
}

// The activations that an item touches, with their sizes.
void add_touched(const WorkItem& item, Sizes& sizes) {
  if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
    if (is_activation(collective->to)) {
      sizes.insert_or_assign(collective->to, result_size(collective->key));
    }
    return;
  }
  const auto& kernel = std::get<KernelWork>(item.work);
  const auto operands = operands_of(kernel.key);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (is_activation(kernel.operands[i])) {
      sizes.insert_or_assign(kernel.operands[i], size_of_operand(operands[i]));
    }
  }
}

Bytes sum_of(const Sizes& sizes) {
  Bytes sum;
  for (const auto& [id, size] : sizes) {
    sum += size;
  }
  return sum;
}

// The most that is alive at once while `items` run, of tensors that are not in `resident`.
Bytes transient_of(const std::vector<WorkItem>& items, const Sizes& resident) {
  Sizes alive;
  Bytes peak;
  for (const WorkItem& item : items) {
    Sizes touched;
    add_touched(item, touched);
    for (const auto& [id, size] : touched) {
      if (!resident.contains(id)) {
        alive.insert_or_assign(id, size);
      }
    }
    peak = std::max(peak, sum_of(alive));
    for (const TensorId id : item.release) {
      alive.erase(id);
    }
  }
  return peak;
}

struct ChunkBytes {
  Bytes kept;
  Bytes forward_transient;
  Bytes backward_transient;
};

Sizes kept_sizes(const ChunkWork& chunk) {
  Sizes all;
  for (const auto* items : {&chunk.forward, &chunk.backward}) {
    for (const WorkItem& item : *items) {
      add_touched(item, all);
    }
  }
  Sizes kept;
  for (const TensorId id : chunk.kept) {
    kept.insert_or_assign(id, all.at(id));
  }
  return kept;
}

ChunkBytes chunk_bytes(const ChunkWork& chunk) {
  const Sizes kept = kept_sizes(chunk);
  return {sum_of(kept), transient_of(chunk.forward, kept), transient_of(chunk.backward, kept)};
}

// The instant of the stage's program at which kept and transient activations together peak.
void add_activation_peak(const Job& job, const StageWork& work, StageMemory& memory) {
  std::vector<ChunkBytes> chunks;
  chunks.reserve(work.chunks.size());
  for (const ChunkWork& chunk : work.chunks) {
    chunks.push_back(chunk_bytes(chunk));
  }
  const PipelineShape shape{job.layout.pipeline, job.layout.virtual_pipeline, micro_batches(job)};
  Bytes alive;
  for (const PipelineOp& op : stage_program(schedule_of(job), shape, work.stage)) {
    const ChunkBytes& chunk = chunks[static_cast<std::size_t>(op.chunk)];
    if (op.pass == Pass::forward) {
      alive += chunk.kept;
    }
    const Bytes transient =
        op.pass == Pass::forward ? chunk.forward_transient : chunk.backward_transient;
    if (alive + transient > memory.activations + memory.transient) {
      memory.activations = alive;
      memory.transient = transient;
    }
    if (op.pass == Pass::backward) {
      alive -= chunk.kept;
    }
  }
}

}  // namespace

MemoryOverheads host_overheads() {
  return {};
}

// Context: 0.92 GiB, PyTorch 2.1 with eagerly loaded kernels; NCCL: 392 MB a communicator of 4 to 8
// GPUs (aiconfigurator's default); allocator: 5 %, Megatron-LM's estimator. All in
// modelling.md 5.3.
MemoryOverheads gpu_overheads(const ParallelLayout& layout) {
  double communicators = 0;
  for (const std::int64_t degree : {layout.tensor, layout.pipeline, layout.data}) {
    communicators += degree > 1 ? 1 : 0;
  }
  return {0.92 * unit::gibibyte, communicators * 392.0 * unit::megabyte, 0.05};
}

Bytes total_of(const StageMemory& memory) {
  return memory.weights + memory.gradients + memory.optimizer_states + memory.activations +
         memory.transient + memory.context + memory.communication + memory.fragmentation;
}

Bytes kept_bytes(const ChunkWork& chunk) {
  return sum_of(kept_sizes(chunk));
}

StageMemory stage_memory(const Job& job, const StageWork& work, const MemoryOverheads& overheads) {
  const DataType type = data_type_of(job.recipe.precision);
  const auto elements = static_cast<double>(work.weights.elements);
  const double sharing = job.recipe.zero == ZeroStage::optimizer
                             ? static_cast<double>(job.layout.data * job.layout.context)
                             : 1.0;
  // fp32 training updates its weights in place; 16-bit training keeps an fp32 master copy.
  const double state_per_element = type == DataType::fp32 ? 8.0 : 12.0;
  StageMemory memory;
  memory.weights = elements * size_of(type);
  memory.gradients = elements * size_of(DataType::fp32);
  memory.optimizer_states = elements * state_per_element / sharing * unit::byte;
  add_activation_peak(job, work, memory);
  memory.context = overheads.context;
  memory.communication = overheads.communication;
  memory.fragmentation = overheads.fragmentation_fraction *
                         (memory.weights + memory.gradients + memory.optimizer_states +
                          memory.activations + memory.transient);
  return memory;
}

}  // namespace forerun
