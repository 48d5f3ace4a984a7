#include "estimator/step/work_list.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "estimator/step/work_builder.hpp"
#include "kernels/operands.hpp"

namespace forerun {
namespace {

struct Touched {
  std::vector<TensorId> read;
  std::vector<TensorId> written;
};

Touched touched_by(const WorkItem& item) {
  if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
    return {{collective->from}, {collective->to}};
  }
  const auto& kernel = std::get<KernelWork>(item.work);
  const auto operands = operands_of(kernel.key);
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

// Activations that the backward pass reads before it writes them.
std::vector<TensorId> kept_for(const std::vector<WorkItem>& backward) {
  std::set<TensorId> written;
  std::set<TensorId> kept;
  for (const WorkItem& item : backward) {
    const Touched touched = touched_by(item);
    for (const TensorId id : touched.read) {
      if (is_activation(id) && !id.gradient && !written.contains(id)) {
        kept.insert(id);
      }
    }
    written.insert(touched.written.begin(), touched.written.end());
  }
  return {kept.begin(), kept.end()};
}

// Marks each activation for release after the last item that touches it, unless it is spared.
void mark_releases(std::vector<WorkItem>& items, const std::set<TensorId>& spared) {
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
    if (!spared.contains(id)) {
      items[index].release.push_back(id);
    }
  }
}

ChunkWork chunk_work(const Job& job,
                     const WorkBuilder& builder,
                     std::int64_t index,
                     ChunkLayers layers) {
  const std::int64_t chunks = job.layout.pipeline * job.layout.virtual_pipeline;
  const bool recomputes = job.recipe.recompute == Recompute::full;
  const std::int64_t end = layers.first + layers.count;
  ChunkWork chunk;
  chunk.chunk = index;
  chunk.layers = layers;
  chunk.holds_embedding = index == 0;
  chunk.holds_head = index == chunks - 1;
  chunk.input = {TensorName::hidden, layers.first};
  chunk.output = {TensorName::hidden, end};
  if (chunk.holds_embedding) {
    builder.embedding_forward(chunk.forward);
  }
  for (std::int64_t layer = layers.first; layer < end; ++layer) {
    builder.layer_forward(chunk.forward, layer, Part::compute);
  }
  if (chunk.holds_head) {
    builder.head_forward(chunk.forward);
    builder.head_backward(chunk.backward);
  }
  for (std::int64_t layer = end - 1; layer >= layers.first; --layer) {
    if (recomputes) {
      builder.layer_forward(chunk.backward, layer, Part::recompute);
    }
    builder.layer_backward(chunk.backward, layer);
  }
  if (chunk.holds_embedding) {
    builder.embedding_backward(chunk.backward);
  }

  chunk.kept = kept_for(chunk.backward);
  std::set<TensorId> outlives_forward(chunk.kept.begin(), chunk.kept.end());
  if (!chunk.holds_head) {
    outlives_forward.insert(chunk.output);
  }
  mark_releases(chunk.forward, outlives_forward);
  std::set<TensorId> outlives_backward{{TensorName::row_loss, job.model.layers}};
  if (!chunk.holds_embedding) {
    outlives_backward.insert(gradient_of(chunk.input));
  }
  mark_releases(chunk.backward, outlives_backward);
  return chunk;
}

std::string family_reason(const ModelShape& model) {
  if (model.moe) {
    return model.name + " is a mixture of experts";
  }
  if (model.latent) {
    return model.name + " uses latent attention";
  }
  return {};
}

}  // namespace

DataType data_type_of(Precision precision) {
  switch (precision) {
    case Precision::fp16:
      return DataType::fp16;
    case Precision::fp32:
      return DataType::fp32;
    case Precision::bf16:
    case Precision::fp8:
    case Precision::mxfp8:
    case Precision::nvfp4:
      return DataType::bf16;
  }
  return DataType::bf16;
}

std::optional<std::string> unsupported_because(const Job& job) {
  const std::string only =
      "; so far the step is modelled for dense decoders split by tp, pp and dp";
  if (const std::string reason = family_reason(job.model); !reason.empty()) {
    return reason + only;
  }
  if (job.layout.context > 1 || job.layout.expert > 1 || job.layout.expert_tensor > 1) {
    return "the layout has cp, ep or etp above 1" + only;
  }
  if (job.recipe.precision != Precision::bf16 && job.recipe.precision != Precision::fp32 &&
      job.recipe.precision != Precision::fp16) {
    return "precision " + std::string(name_of(job.recipe.precision)) +
           " is not modelled yet (expected bf16, fp16 or fp32)";
  }
  if (job.recipe.recompute == Recompute::selective) {
    return "selective recomputation is not modelled yet (expected none or full)";
  }
  const auto window = job.model.attention.window;
  if (window && *window < job.recipe.sequence) {
    return "the sliding window of " + std::to_string(*window) +
           " tokens is shorter than the sequence, which is not modelled yet (use --seq " +
           std::to_string(*window) + " or less)";
  }
  return std::nullopt;
}

StageWork stage_work(const Job& job, const Placement& placement, std::int64_t stage) {
  const WorkBuilder builder(job, placement);
  const std::int64_t stages = job.layout.pipeline;
  const auto chunks = assign_layers(job.model.layers, stages * job.layout.virtual_pipeline);
  StageWork work;
  work.stage = stage;
  for (std::int64_t index = stage; index < std::ssize(chunks); index += stages) {
    work.chunks.push_back(chunk_work(job, builder, index, chunks[static_cast<std::size_t>(index)]));
  }
  work.weights = stage_weights(job, stage);
  if (stages > 1) {
    work.boundary = builder.boundary();
  }
  work.tail = builder.tail(work.weights, stage);
  return work;
}

WorkKeys work_keys(const Job& job, const Placement& placement) {
  WorkKeys keys;
  std::set<KernelKey> seen_kernels;
  std::set<CollectiveKey> seen_collectives;
  const auto add_collective = [&](const CollectiveKey& key) {
    if (seen_collectives.insert(key).second) {
      keys.collectives.push_back(key);
    }
  };
  const auto add = [&](const std::vector<WorkItem>& items) {
    for (const WorkItem& item : items) {
      if (const auto* collective = std::get_if<CollectiveWork>(&item.work)) {
        add_collective(collective->key);
      } else if (const auto& key = std::get<KernelWork>(item.work).key;
                 seen_kernels.insert(key).second) {
        keys.kernels.push_back(key);
      }
    }
  };
  for (std::int64_t stage = 0; stage < job.layout.pipeline; ++stage) {
    const StageWork work = stage_work(job, placement, stage);
    for (const ChunkWork& chunk : work.chunks) {
      add(chunk.forward);
      add(chunk.backward);
    }
    add(work.tail);
    if (work.boundary) {
      add_collective(*work.boundary);
    }
  }
  return keys;
}

}  // namespace forerun
