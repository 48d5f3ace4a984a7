#include "estimator/step/memory.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "estimator/step/activation_peak.hpp"
#include "estimator/step/backward_split.hpp"
#include "estimator/step/offload.hpp"
#include "estimator/step/part_work.hpp"
#include "estimator/step/pipeline_program.hpp"
#include "jobs/chunk_placement.hpp"
#include "kernels/kernel_cost.hpp"
#include "kernels/nf4.hpp"
#include "kernels/operands.hpp"
#include "units/nvfp4.hpp"
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

// Bytes that a rank sends from.
Bytes source_size(const CollectiveKey& key) {
  const auto bytes = static_cast<double>(key.bytes);
  const bool is_shard = key.op == Collective::all_gather;
  return (is_shard ? bytes / static_cast<double>(key.group.ranks) : bytes) * unit::byte;
}

// The activations that an item touches, with their sizes: the whole of one that others read columns
// of.
void add_touched(const WorkItem& item, Sizes& sizes) {
  const auto add = [&](TensorId id, Bytes size) {
    if (is_activation(id)) {
      Bytes& known = sizes[id];
      known = std::max(known, size);
    }
  };
  if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
    add(collective->to, result_size(collective->key));
    return;
  }
  const auto& kernel = std::get<KernelWork>(item.work);
  const auto operands = operands_of(kernel.key);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    add(kernel.operands[i], size_of_operand(operands[i]));
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
        Bytes& known = alive[id];
        known = std::max(known, size);
      }
    }
    const auto* const kernel = std::get_if<KernelWork>(&item.work);
    const Bytes beside = kernel == nullptr ? Bytes() : workspace(kernel->key);
    peak = std::max(peak, sum_of(alive) + beside);
    for (const TensorId id : item.release) {
      alive.erase(id);
    }
  }
  return peak;
}

Sizes kept_sizes(const std::vector<WorkItem>& forward,
                 const std::vector<WorkItem>& backward,
                 const std::vector<TensorId>& ids) {
  Sizes all;
  for (const auto* items : {&forward, &backward}) {
    for (const WorkItem& item : *items) {
      add_touched(item, all);
    }
  }
  Sizes kept;
  for (const TensorId id : ids) {
    kept.insert_or_assign(id, all.at(id));
  }
  return kept;
}

struct BackwardParts {
  std::vector<WorkItem> input;
  std::vector<WorkItem> weight;
};

BackwardParts split_backward(const std::vector<WorkItem>& backward) {
  const auto is_weight_part = weight_part_of(backward);
  BackwardParts parts;
  for (std::size_t i = 0; i < backward.size(); ++i) {
    (is_weight_part[i] ? parts.weight : parts.input).push_back(backward[i]);
  }
  return parts;
}

// All activations that the items touch; what a collective sends may come from another part.
Sizes touched_by(const std::vector<WorkItem>& items) {
  Sizes touched;
  for (const WorkItem& item : items) {
    add_touched(item, touched);
  }
  for (const WorkItem& item : items) {
    if (const auto* collective = std::get_if<CollectiveWork>(&item.work);
        collective != nullptr && is_activation(collective->from)) {
      touched.emplace(collective->from, source_size(collective->key));
    }
  }
  return touched;
}

// Marks releases of one part of a backward pass anew: after its own last use of what the whole pass
// releases somewhere, unless the other part needs it later.
void release_within(std::vector<WorkItem>& part,
                    const std::vector<WorkItem>& backward,
                    const std::set<TensorId>& needed_later) {
  std::set<TensorId> spared = needed_later;
  for (const auto& [id, size] : touched_by(backward)) {
    spared.insert(id);
  }
  for (const WorkItem& item : backward) {
    for (const TensorId id : item.release) {
      if (!needed_later.contains(id)) {
        spared.erase(id);
      }
    }
  }
  for (WorkItem& item : part) {
    item.release.clear();
  }
  mark_releases(part, {spared.begin(), spared.end()});
}

// Where the backward pass runs as one, all that is kept goes with it. Where it is split, the weight
// part holds on to what it reads: layer inputs that were kept, and gradients that the input part
// leaves behind.
ChunkMemory memory_of(const std::vector<WorkItem>& forward,
                      const std::vector<WorkItem>& backward,
                      const std::vector<TensorId>& ids,
                      Schedule schedule) {
  const Sizes kept = kept_sizes(forward, backward, ids);
  ChunkMemory memory;
  memory.forward_transient = transient_of(forward, kept);
  if (!splits_backward(schedule)) {
    memory.kept_for_input = sum_of(kept);
    memory.input_transient = transient_of(backward, kept);
    return memory;
  }
  BackwardParts parts = split_backward(backward);
  const std::set<TensorId> needed = read_before_written(parts.weight);
  release_within(parts.input, backward, needed);
  release_within(parts.weight, backward, {});
  const Sizes sizes = touched_by(backward);
  Sizes held = kept;
  for (const TensorId id : needed) {
    if (const auto found = kept.find(id); found != kept.end()) {
      memory.kept_for_weight += found->second;
    } else if (is_activation(id)) {
      memory.handed_over += sizes.at(id);
      held.insert_or_assign(id, sizes.at(id));
    }
  }
  memory.kept_for_input = sum_of(kept) - memory.kept_for_weight;
  memory.input_transient = transient_of(parts.input, kept);
  memory.weight_transient = transient_of(parts.weight, held);
  return memory;
}

}  // namespace

ChunkMemory ChunkMemories::chunk(const ChunkContent& content) {
  ChunkMemory sum;
  Bytes largest;  // of what single layers leave to the host
  for (const PartRun& run : parts_of(job_, content)) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      const ChunkMemory& part = of(run.kind, run.first_layer + i);
      sum.kept_for_input += part.kept_for_input;
      sum.kept_for_weight += part.kept_for_weight;
      sum.handed_over += part.handed_over;
      sum.forward_transient = std::max(sum.forward_transient, part.forward_transient);
      sum.input_transient = std::max(sum.input_transient, part.input_transient);
      sum.weight_transient = std::max(sum.weight_transient, part.weight_transient);
      sum.offloaded += part.offloaded;
      largest = std::max(largest, part.offloaded);
    }
  }
  const Bytes buffers = std::min(2.0 * largest, sum.offloaded);
  sum.forward_transient += buffers;
  sum.input_transient += buffers;
  return sum;
}

const ChunkMemory& ChunkMemories::of(PartKind kind, std::int64_t layer) {
  const bool is_layer = kind == PartKind::layer || kind == PartKind::recomputed_layer;
  if (!is_layer) {
    return alike(kind, layer);
  }
  auto& known = by_layer_.at(kind == PartKind::layer ? 0 : 1);
  const auto at = static_cast<std::size_t>(layer);
  known.resize(std::max(known.size(), at + 1), nullptr);
  if (known[at] == nullptr) {
    known[at] = &alike(kind, layer);
  }
  return *known[at];
}

const ChunkMemory& ChunkMemories::alike(PartKind kind, std::int64_t layer) {
  const PartKey key = part_key(job_.model, kind, layer);
  const auto found = parts_.find(key);
  if (found != parts_.end()) {
    return found->second;
  }
  PartWork part = works_.of(kind, layer);
  std::vector<TensorId> spared = part.kept;
  mark_releases(part.forward, spared);
  mark_releases(part.backward, {});
  ChunkMemory memory = memory_of(part.forward, part.backward, part.kept, schedule_of(job_));
  const bool is_layer = kind == PartKind::layer || kind == PartKind::recomputed_layer;
  if (is_layer && job_.recipe.offload.activations) {
    memory.offloaded = std::exchange(memory.kept_for_input, Bytes());
  }
  return parts_.emplace(key, memory).first->second;
}

MemoryOverheads host_overheads() {
  return {};
}

// Context: 0.92 GiB, PyTorch 2.1 with eagerly loaded kernels; NCCL: 392 MB a communicator of 4 to 8
// GPUs (aiconfigurator's default); allocator: 5 %, Megatron-LM's estimator. All in
// modelling.md 5.3. The sharded state lives in the group of data and context ranks together.
MemoryOverheads gpu_overheads(const ParallelLayout& layout) {
  double communicators = 0;
  for (const std::int64_t degree : {layout.tensor,
                                    layout.pipeline,
                                    layout.data * layout.context,
                                    layout.context,
                                    layout.expert,
                                    layout.expert_tensor}) {
    communicators += degree > 1 ? 1 : 0;
  }
  return {0.92 * unit::gibibyte, communicators * 392.0 * unit::megabyte, 0.05};
}

Bytes total_of(const StageMemory& memory) {
  return memory.weights + memory.gradients + memory.optimizer_states + memory.activations +
         memory.transient + memory.context + memory.communication + memory.fragmentation;
}

Bytes kept_bytes(const ChunkWork& chunk) {
  return sum_of(kept_sizes(chunk.forward, chunk.backward, chunk.kept));
}

Bytes kept_bytes(const PartWork& part) {
  return sum_of(kept_sizes(part.forward, part.backward, part.kept));
}

namespace {

// ZeRO-3 holds the layer at work and the one that is gathered ahead (FSDP's prefetch), or the
// embedding in place of one of them, and the gradient of one before it is reduced.
Bytes gathered_bytes(const Job& job) {
  std::int64_t layer = 0;
  for (std::int64_t i = 0; i < job.model.layers; ++i) {
    if (part_key(job.model, PartKind::layer, i).second == i) {
      const StageWeights weights = layer_weights(job, i);
      layer = std::max(layer,
                       weights.elements + weights.expert_elements + weights.frozen_elements +
                           weights.frozen_expert_elements);
    }
  }
  const std::int64_t largest = std::max(layer, embedding_elements(job));
  const std::int64_t gradients = job.recipe.tuning == Tuning::full ? layer : 0;
  const DataType type = data_type_of(job.recipe.precision);
  return static_cast<double>(gradients + 2 * largest) * size_of(type);
}

// The weights that the same ranks share, and what of them is of layers.
struct SharedWeights {
  std::int64_t all = 0;
  std::int64_t layers = 0;
  std::int64_t largest = 0;  ///< of the largest layer
  StateShards shards;
};

// State of one kind, in elements of the rank that owns a share of it: all of it, and as far as it
// is offloaded what of it the device works on at a time.
struct Owned {
  double all = 0.0;
  double layers = 0.0;
  double at_work = 0.0;  ///< of two layers
};

Owned owned(const SharedWeights& weights, std::int64_t ranks) {
  const auto share = [&](std::int64_t elements) {
    return static_cast<double>(std::min(elements, weights.all)) / static_cast<double>(ranks);
  };
  return {share(weights.all),
          share(weights.layers),
          share(std::min(2 * weights.largest, weights.layers))};
}

// fp32 training updates its weights in place; 16-bit training keeps an fp32 master copy, unless its
// software does not, which with ZeRO-3 is all that is kept (FSDP's sharded parameters).
bool has_master(const Recipe& recipe) {
  return data_type_of(recipe.precision) != DataType::fp32 && recipe.software.keeps_master_weights;
}

// `left`: weights that stay on the device when their master copies leave it.
void add_optimizer_state(const Recipe& recipe,
                         const Owned& state,
                         Bytes left,
                         StageMemory& memory) {
  const Bytes all = state.all * state_bytes(recipe);
  if (!recipe.offload.optimizer) {
    memory.optimizer_states += all;
    return;
  }
  memory.host += all;
  if (updates_on_host(recipe)) {
    memory.host += state.all * gradient_bytes(recipe);
  } else {
    memory.optimizer_states += std::min(all - left, state.at_work * state_bytes(recipe));
  }
}

void add_weights(const Recipe& recipe, const Owned& weights, StageMemory& memory) {
  const Bytes element = size_of(data_type_of(recipe.precision));
  if (!recipe.offload.weights) {
    memory.weights += weights.all * element;
    return;
  }
  memory.host += weights.layers * element;
  memory.weights += (weights.all - weights.layers + weights.at_work) * element;
}

// State that data-parallel ranks share so: where it lies.
void add_state_of(const Job& job, const SharedWeights& shared, StageMemory& memory) {
  const Recipe& recipe = job.recipe;
  const Owned weights = owned(shared, shared.shards.weights);
  const Owned gradients = owned(shared, shared.shards.gradients);
  const bool is_only_master = shared.shards.weights > 1 && has_master(recipe);
  const Bytes left =
      is_only_master ? weights.all * size_of(data_type_of(recipe.precision)) : Bytes();
  add_optimizer_state(recipe, owned(shared, shared.shards.optimizer), left, memory);
  memory.gradients +=
      (host_keeps_gradients(job) ? gradients.at_work : gradients.all) * gradient_bytes(recipe);
  if (recipe.software.keeps_narrow_gradients) {
    memory.gradients += weights.all * size_of(data_type_of(recipe.precision));
  }
  if (!is_only_master || recipe.offload.optimizer) {
    add_weights(recipe, weights, memory);
  }
}

// Weights that are not trained have no gradient and no optimizer state; of those in 4 bits one at a
// time is widened.
void add_frozen(const Job& job, const StageWeights& weights, StageMemory& memory) {
  const Bytes element = size_of(data_type_of(job.recipe.precision));
  const auto share = [](std::int64_t elements, std::int64_t ranks) {
    return static_cast<double>(elements) / static_cast<double>(ranks);
  };
  memory.weights += share(weights.frozen_elements, state_shards(job).weights) * element;
  memory.weights +=
      share(weights.frozen_expert_elements, expert_state_shards(job).weights) * element;
  memory.weights += static_cast<double>(nf4_bytes(weights.quantized_elements)) * unit::byte;
  memory.weights += static_cast<double>(weights.largest_quantized) * element;
}

// One buffer for all trained matrices of a shape; experts are products of their own.
Bytes wgrad_stand_ins(const Job& job, const StageWeights& weights) {
  const bool has_tied_head =
      job.model.tied_embeddings && std::ranges::any_of(weights.specs, [](const WeightSpec& spec) {
        return spec.id.name == TensorName::w_final_norm;
      });
  std::set<std::pair<std::int64_t, std::int64_t>> shapes;
  for (const WeightSpec& spec : weights.specs) {
    const bool is_head = spec.id.name == TensorName::w_head ||
                         (has_tied_head && spec.id.name == TensorName::w_embedding);
    if (spec.rows > 1 && spec.columns > 1 && !spec.is_frozen &&
        (is_head || is_layer_matrix(spec.id))) {
      const std::int64_t alike =
          is_of_expert(spec) ? job.model.moe->experts / job.layout.expert : 1;
      shapes.emplace(spec.rows / alike, spec.columns);
    }
  }
  double elements = 0.0;
  for (const auto& [rows, columns] : shapes) {
    elements += static_cast<double>(rows * columns);
  }
  return elements * size_of(data_type_of(job.recipe.precision));
}

}  // namespace

StageMemory state_memory(const Job& job, const StageWeights& weights) {
  StageMemory memory;
  const LayerElements layers = job.recipe.offload.any() ? layer_elements(weights) : LayerElements();
  add_state_of(job, {weights.elements, layers.all, layers.largest, state_shards(job)}, memory);
  add_state_of(job,
               {weights.expert_elements,
                layers.all_experts,
                layers.largest_experts,
                expert_state_shards(job)},
               memory);
  add_frozen(job, weights, memory);
  if (job.recipe.software.keeps_wgrad_stand_ins) {
    memory.gradients += wgrad_stand_ins(job, weights);
  }
  if (state_shards(job).weights > 1) {
    memory.weights += gathered_bytes(job);
    return memory;
  }
  const Bytes element =
      (job.recipe.precision == Precision::nvfp4 ? nvfp4_element_bytes : 1.0) * unit::byte;
  for (const WeightSpec& spec : weights.specs) {  // the narrow copy and its transpose
    if (spec.rows > 1 && spec.columns > 1 && has_fp8_copy(job.recipe, spec.id)) {
      memory.weights += 2.0 * static_cast<double>(spec.rows * spec.columns) * element;
    }
  }
  const std::int64_t narrow =
      narrow_elements(job.recipe, weights, false) + narrow_elements(job.recipe, weights, true);
  memory.weights -= static_cast<double>(narrow) * size_of(data_type_of(job.recipe.precision));
  return memory;
}

StageMemory stage_memory(const StageMemory& state,
                         const ActivationPeak& peak,
                         const MemoryOverheads& overheads) {
  StageMemory memory = state;
  memory.activations = peak.kept;
  memory.transient = peak.transient;
  memory.host += peak.offloaded;
  memory.context = overheads.context;
  memory.communication = overheads.communication;
  memory.fragmentation = overheads.fragmentation_fraction *
                         (memory.weights + memory.gradients + memory.optimizer_states +
                          memory.activations + memory.transient);
  return memory;
}

StageMemory stage_memory(const Job& job, const StageWork& work, const MemoryOverheads& overheads) {
  std::vector<ChunkMemory> chunks;
  chunks.reserve(work.chunks.size());
  for (const ChunkWork& chunk : work.chunks) {
    chunks.push_back(memory_of(chunk.forward, chunk.backward, chunk.kept, schedule_of(job)));
  }
  const auto program = stage_program(schedule_of(job), pipeline_shape(job), work.stage);
  return stage_memory(state_memory(job, work.weights), activation_peak(program, chunks), overheads);
}

std::vector<StageMemory> step_memory(const Job& job,
                                     const WorkBuilder& builder,
                                     const MemoryOverheads& overheads) {
  PartWorks works(job, builder);
  ChunkMemories sizes(job, works);
  std::vector<ChunkMemory> chunks;
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    for (const ChunkContent& content : contents_of_stage(job, stage)) {
      chunks.push_back(sizes.chunk(content));
    }
  }
  const auto peaks =
      activation_peaks(pipeline_program(schedule_of(job), pipeline_shape(job)), chunks);
  std::vector<StageMemory> memory;
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    memory.push_back(stage_memory(state_memory(job, stage_weights(job, stage)),
                                  peaks[static_cast<std::size_t>(stage)],
                                  overheads));
  }
  return memory;
}

}  // namespace forerun
