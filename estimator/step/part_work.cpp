#include "estimator/step/part_work.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "estimator/step/adapter_work.hpp"
#include "jobs/chunk_placement.hpp"
#include "kernels/operands.hpp"

namespace forerun {
namespace {

// What is gathered together: a layer, or every matrix on its own; vectors stay where they are.
std::vector<std::int64_t> gathered_units(const Job& job, const StageWeights& weights) {
  if (!job.recipe.software.gathers_by_module) {
    return {weights.elements + weights.frozen_elements};
  }
  std::vector<std::int64_t> units;
  for (const WeightSpec& spec : weights.specs) {
    const bool is_shared = is_of_expert(spec);
    if (!is_shared && spec.rows > 1 && spec.columns > 1) {
      units.push_back(spec.rows * spec.columns);
    }
  }
  return units;
}

// The first layer of the model whose work equals that of `layer`.
std::int64_t alike_layer(const ModelShape& model, std::int64_t layer) {
  const auto found = std::ranges::find(model.kinds, kind_of(model, layer));
  if (found != model.kinds.end()) {
    return found - model.kinds.begin();
  }
  // Without a list the leading dense layers of a mixture of experts differ from the others.
  const std::int64_t dense = model.moe ? model.moe->dense_layers : 0;
  return layer < dense ? 0 : dense;
}

// What columns belong to: of activations and gradients alike.
using WideTensors = std::map<std::pair<TensorName, std::int64_t>, TensorName>;

const KernelWork* copied_columns(const WorkItem& item) {
  const auto* const kernel = std::get_if<KernelWork>(&item.work);
  const bool copies = kernel != nullptr && (kernel->key.op == KernelOp::take_columns ||
                                            kernel->key.op == KernelOp::put_columns);
  return copies ? kernel : nullptr;
}

void add_columns(const std::vector<WorkItem>& items, WideTensors& wide) {
  for (const WorkItem& item : items) {
    if (const KernelWork* const copy = copied_columns(item)) {
      const bool takes = copy->key.op == KernelOp::take_columns;
      const TensorId& column = copy->operands[takes ? 1 : 0];
      wide[{column.name, column.layer}] = copy->operands[takes ? 0 : 1].name;
    }
  }
}

void put_in_place(std::vector<WorkItem>& items, const WideTensors& wide) {
  std::erase_if(items, [](const WorkItem& item) { return copied_columns(item) != nullptr; });
  const auto replace = [&](TensorId& id) {
    if (const auto found = wide.find({id.name, id.layer}); found != wide.end()) {
      id.name = found->second;
    }
  };
  for (WorkItem& item : items) {
    if (auto* const collective = std::get_if<CollectiveWork>(&item.work)) {
      replace(collective->from);
      replace(collective->to);
    } else {
      std::ranges::for_each(std::get<KernelWork>(item.work).operands, replace);
    }
  }
}

// Software that reads and writes columns where they are copies none, and keeps none of their own.
void read_columns_in_place(PartWork& part) {
  WideTensors wide;
  add_columns(part.forward, wide);
  add_columns(part.backward, wide);
  put_in_place(part.forward, wide);
  put_in_place(part.backward, wide);
}

void add_layer(PartWork& part,
               const Job& job,
               const WorkBuilder& builder,
               std::int64_t layer,
               bool recomputes) {
  const StageWeights weights = layer_weights(job, layer);
  const std::int64_t elements = weights.elements;
  const std::int64_t experts = weights.expert_elements + weights.frozen_expert_elements;
  const std::vector<std::int64_t> units = gathered_units(job, weights);
  builder.gather_units(part.forward, layer, units);
  builder.gather_experts(part.forward, layer, experts);
  builder.layer_forward(part.forward, layer, Part::compute);
  if (!job.recipe.keeps_gathered_weights) {
    builder.gather_units(part.backward, layer, units);
    builder.gather_experts(part.backward, layer, experts);
  }
  if (recomputes) {
    builder.layer_forward(part.backward, layer, Part::recompute);
  }
  builder.layer_backward(part.backward, layer);
  builder.reduce_layer(part.backward, layer, elements);
  builder.reduce_layer_experts(part.backward, layer, weights.expert_elements);
  if (job.recipe.software.reads_in_place) {
    read_columns_in_place(part);
  }
  if (job.recipe.tuning != Tuning::full) {
    add_adapters(part, job, weights, gradient_of({TensorName::hidden, layer}));
  }
}

// Embedding and head have no adapters.
void freeze_end(PartWork& part, const Job& job, std::optional<TensorId> outgoing) {
  std::erase_if(part.backward,
                [](const WorkItem& item) { return item.part == Part::data_parallel; });
  add_adapters(part, job, {}, outgoing);
}

}  // namespace

Touched touched_by(const WorkItem& item) {
  if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
    return {{collective->from}, {collective->to}};
  }
  const auto& kernel = std::get<KernelWork>(item.work);
  const auto operands = operands_of(kernel.key);
  if (operands.size() != kernel.operands.size()) {
    throw std::logic_error(text_of(kernel.key) + " works on " + std::to_string(operands.size()) +
                           " operands, not " + std::to_string(kernel.operands.size()));
  }
  Touched touched;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].access != Access::write) {
      touched.read.push_back(kernel.operands[i]);
    }
    if (operands[i].access != Access::read) {
      touched.written.push_back(kernel.operands[i]);
    }
  }
  return touched;
}

std::set<TensorId> read_before_written(const std::vector<WorkItem>& items) {
  std::set<TensorId> written;
  std::set<TensorId> read;
  for (const WorkItem& item : items) {
    const Touched touched = touched_by(item);
    for (const TensorId id : touched.read) {
      if (!written.contains(id)) {
        read.insert(id);
      }
    }
    written.insert(touched.written.begin(), touched.written.end());
  }
  return read;
}

std::vector<TensorId> kept_for(const std::vector<WorkItem>& backward) {
  std::vector<TensorId> kept;
  for (const TensorId id : read_before_written(backward)) {
    if (is_activation(id) && !id.gradient) {
      kept.push_back(id);
    }
  }
  return kept;
}

void mark_releases(std::vector<WorkItem>& items, const std::vector<TensorId>& spared) {
  std::map<TensorId, std::size_t> last;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Touched touched = touched_by(items[i]);
    for (const auto* ids : {&touched.read, &touched.written}) {
      for (const TensorId id : *ids) {
        if (is_activation(id)) {
          last[id] = i;
        }
      }
    }
  }
  for (const auto& [id, index] : last) {
    if (std::ranges::find(spared, id) == spared.end()) {
      items[index].release.push_back(id);
    }
  }
}

PartKey part_key(const ModelShape& model, PartKind kind, std::int64_t layer) {
  const bool is_layer = kind == PartKind::layer || kind == PartKind::recomputed_layer;
  return {kind, is_layer ? alike_layer(model, layer) : 0};
}

bool layers_are_alike(const ModelShape& model) {
  const PartKey first = part_key(model, PartKind::layer, 0);
  for (std::int64_t layer = 1; layer < model.layers; ++layer) {
    if (part_key(model, PartKind::layer, layer) != first) {
      return false;
    }
  }
  return true;
}

const PartWork& PartWorks::of(PartKind kind, std::int64_t layer) {
  const PartKey key = part_key(job_.model, kind, layer);
  const auto found = works_.find(key);
  return found != works_.end()
             ? found->second
             : works_.emplace(key, part_work(job_, builder_, kind, layer)).first->second;
}

std::vector<ChunkContent> contents_of_stage(const Job& job, std::int64_t stage) {
  const auto chunks = chunk_layers(job);
  std::vector<ChunkContent> contents;
  for (const std::int64_t index : chunks_of_stage(job, stage)) {
    const ChunkLayers layers = chunks[static_cast<std::size_t>(index)];
    contents.push_back({layers,
                        index == 0,
                        index == std::ssize(chunks) - 1,
                        recomputed_layers(job.recipe.recompute, stage, layers.count)});
  }
  return contents;
}

std::vector<PartRun> parts_of(const Job& job, const ChunkContent& chunk) {
  const ChunkLayers& layers = chunk.layers;
  std::vector<PartRun> runs;
  if (chunk.embedding) {
    runs.push_back({PartKind::embedding, 0, 1});
  }
  if (chunk.recomputed > 0) {
    runs.push_back({PartKind::recomputed_layer, layers.first, chunk.recomputed});
  }
  if (layers.count > chunk.recomputed) {
    runs.push_back(
        {PartKind::layer, layers.first + chunk.recomputed, layers.count - chunk.recomputed});
  }
  if (chunk.head) {
    runs.push_back({PartKind::head, job.model.layers, 1});
  }
  return runs;
}

PartWork part_work(const Job& job, const WorkBuilder& builder, PartKind kind, std::int64_t layer) {
  PartWork part;
  switch (kind) {
    case PartKind::embedding:
      builder.gather_units(part.forward, -1, {embedding_elements(job)});
      builder.embedding_forward(part.forward);
      builder.embedding_backward(part.backward);
      builder.reduce_layer(part.backward, -1, embedding_elements(job));
      if (job.recipe.tuning != Tuning::full) {
        freeze_end(part, job, std::nullopt);
      }
      break;
    case PartKind::layer:
    case PartKind::recomputed_layer:
      add_layer(part, job, builder, layer, kind == PartKind::recomputed_layer);
      break;
    case PartKind::head:
      builder.gather_units(part.forward, job.model.layers, {embedding_elements(job)});
      builder.head_forward(part.forward);
      builder.head_backward(part.backward);
      builder.reduce_layer(part.backward, job.model.layers, embedding_elements(job));
      if (job.recipe.tuning != Tuning::full) {
        freeze_end(part, job, gradient_of({TensorName::hidden, job.model.layers}));
      }
      break;
  }
  part.kept = kept_for(part.backward);
  return part;
}

}  // namespace forerun
