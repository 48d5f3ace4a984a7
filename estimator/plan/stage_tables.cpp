#include "estimator/plan/stage_tables.hpp"

#include <algorithm>

#include "estimator/step/part_work.hpp"
#include "jobs/chunk_placement.hpp"

namespace forerun {
namespace {

bool are_alike(const ModelShape& model) {
  const PartKey first = part_key(model, PartKind::layer, 0);
  for (std::int64_t layer = 1; layer < model.layers; ++layer) {
    if (part_key(model, PartKind::layer, layer) != first) {
      return false;
    }
  }
  return true;
}

}  // namespace

StageTables::StageTables(const Job& job,
                         const PlanSubject& subject,
                         std::span<const Sharding> shardings)
    : job_(job),
      subject_(subject),
      shardings_(shardings.begin(), shardings.end()),
      layers_are_alike_(are_alike(job.model)),
      by_sharding_(shardings.size()) {
  const auto chunks = chunk_layers(job_);
  for (std::int64_t stage = 0; stage < job_.layout.pipeline; ++stage) {
    std::vector<std::uint32_t> content;
    for (const std::int64_t chunk : chunks_of_stage(job_, stage)) {
      const bool is_last = chunk == std::ssize(chunks) - 1;
      content.push_back(
          content_index({chunks[static_cast<std::size_t>(chunk)], chunk == 0, is_last, 0}));
    }
    seats_.insert(seats_.end(), content.begin(), content.end());
    add_stage(stage, std::move(content));
  }
}

std::uint32_t StageTables::content_index(const ChunkContent& content) {
  const auto same = [&](const ChunkContent& other) {
    return other.layers.count == content.layers.count && other.embedding == content.embedding &&
           other.head == content.head &&
           (layers_are_alike_ || other.layers.first == content.layers.first);
  };
  const auto found = std::ranges::find_if(contents_, same);
  const auto index = static_cast<std::uint32_t>(found - contents_.begin());
  if (found == contents_.end()) {
    contents_.push_back(content);
  }
  return index;
}

void StageTables::add_stage(std::int64_t stage, std::vector<std::uint32_t> content) {
  // Both ends differ from the stages between them by more than what they hold: they may share the
  // embedding.
  const std::int64_t last = job_.layout.pipeline - 1;
  const auto is_end = [&](std::int64_t one) { return one == 0 ? 1 : one == last ? 2 : 0; };
  const auto same = [&](const StageClass& other) {
    return other.content == content && is_end(other.stage) == is_end(stage);
  };
  const auto found = std::ranges::find_if(classes_, same);
  class_of_.push_back(static_cast<std::uint32_t>(found - classes_.begin()));
  if (found == classes_.end()) {
    classes_.push_back({stage, std::move(content), stage_weights(job_, stage)});
  }
}

void StageTables::choose(std::size_t sharding) {
  job_.recipe.zero = shardings_[sharding].zero;
  job_.recipe.shard_group = shardings_[sharding].group;
}

const std::vector<StageMemory>& StageTables::states(std::size_t sharding) {
  auto& states = by_sharding_[sharding].states;
  if (states.empty()) {
    choose(sharding);
    for (const StageClass& one : classes_) {
      states.push_back(state_memory(job_, one.weights));
    }
  }
  return states;
}

const std::vector<PricedTail>& StageTables::tails(std::size_t sharding,
                                                  Overlap overlap,
                                                  PartTables& tables) {
  auto& tails = by_sharding_[sharding].tails.at(overlap == Overlap::on ? 1 : 0);
  if (tails.empty()) {
    choose(sharding);
    const WorkBuilder builder(job_, subject_.placement);
    for (const StageClass& one : classes_) {
      tails.push_back(priced_tail(tables.pricing(overlap),
                                  builder.tail(one.weights, one.stage),
                                  one.weights.parameters + one.weights.expert_parameters,
                                  tail_offload(job_, one.weights, subject_.host.link)));
    }
  }
  return tails;
}

}  // namespace forerun
