#include "estimator/step/work_list.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "comm/node_segment.hpp"
#include "estimator/step/part_work.hpp"
#include "estimator/step/work_builder.hpp"
#include "jobs/chunk_placement.hpp"
#include "units/integer.hpp"

namespace forerun {
namespace {

void append(std::vector<WorkItem>& items, const std::vector<WorkItem>& more) {
  items.insert(items.end(), more.begin(), more.end());
}

ChunkWork chunk_work(const Job& job,
                     const WorkBuilder& builder,
                     std::int64_t index,
                     const ChunkContent& content) {
  const ChunkLayers& layers = content.layers;
  const std::int64_t end = layers.first + layers.count;
  ChunkWork chunk;
  chunk.chunk = index;
  chunk.layers = layers;
  chunk.holds_embedding = content.embedding;
  chunk.holds_head = content.head;
  chunk.input = {TensorName::hidden, layers.first};
  chunk.output = {TensorName::hidden, end};
  const auto runs = parts_of(job, content);
  std::vector<std::vector<WorkItem>> backward;
  for (const PartRun& run : runs) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      PartWork part = part_work(job, builder, run.kind, run.first_layer + i);
      append(chunk.forward, part.forward);
      backward.push_back(std::move(part.backward));
    }
  }
  std::for_each(backward.rbegin(), backward.rend(), [&chunk](const std::vector<WorkItem>& items) {
    append(chunk.backward, items);
  });

  chunk.kept = kept_for(chunk.backward);
  std::vector<TensorId> outlives_forward = chunk.kept;
  if (!chunk.holds_head) {
    outlives_forward.push_back(chunk.output);
  }
  mark_releases(chunk.forward, outlives_forward);
  std::vector<TensorId> outlives_backward{{TensorName::row_loss, job.model.layers}};
  if (!chunk.holds_embedding) {
    outlives_backward.push_back(gradient_of(chunk.input));
  }
  mark_releases(chunk.backward, outlives_backward);
  return chunk;
}

}  // namespace

Placement placement_on(const Cluster& cluster, const RankOrder& order) {
  return {cluster.devices_per_node, order, cluster.devices_per_host, cluster.max_devices};
}

std::int64_t ranks_per_node(const Placement& placement, const ParallelLayout& layout) {
  const std::int64_t node = placement.devices_per_node;
  constexpr std::ptrdiff_t inner = 3;  // tensor, context, expert
  const bool are_neighbours = std::equal(
      megatron_order.begin(), megatron_order.begin() + inner, placement.rank_order.begin());
  if (world_size(layout) <= node || !are_neighbours) {
    return node;
  }
  const std::int64_t replica = layout.tensor * layout.context;
  const std::int64_t used =
      segmented_node(node,
                     placement.devices_per_host,
                     {layout.tensor, replica, layout.expert_tensor * layout.expert});
  const bool has_nodes = placement.max_devices == 0 ||
                         ceil_div(world_size(layout), used) * node <= placement.max_devices;
  return has_nodes ? used : node;
}

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

StageWork stage_work(const Job& job, const Placement& placement, std::int64_t stage) {
  const WorkBuilder builder(job, placement);
  const std::int64_t stages = job.layout.pipeline;
  const auto held = chunks_of_stage(job, stage);
  const auto contents = contents_of_stage(job, stage);
  StageWork work;
  work.stage = stage;
  for (std::size_t local = 0; local < held.size(); ++local) {
    work.chunks.push_back(chunk_work(job, builder, held[local], contents[local]));
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
