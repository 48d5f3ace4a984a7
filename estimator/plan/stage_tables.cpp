#include "estimator/plan/stage_tables.hpp"

#include <algorithm>

#include "estimator/step/part_work.hpp"

namespace forerun {
namespace {

// Of chunks of one model: whether what differs is only where its layers lie.
bool is_same(const ChunkContent& a, const ChunkContent& b, bool layers_are_alike) {
  return a.layers.count == b.layers.count && a.embedding == b.embedding && a.head == b.head &&
         (layers_are_alike || a.layers.first == b.layers.first);
}

}  // namespace

StageTables::StageTables(const Job& job,
                         const PlanSubject& subject,
                         std::span<const Sharding> shardings)
    : job_(job),
      subject_(subject),
      shardings_(shardings.begin(), shardings.end()),
      layers_are_alike_(layers_are_alike(job.model) &&
                        (!job.teacher || layers_are_alike(*job.teacher))),
      by_sharding_(shardings.size()) {
  job_.recipe.recompute = {};
  for (std::int64_t stage = 0; stage < job_.layout.pipeline; ++stage) {
    const auto held = contents_of_stage(job_, stage);
    const auto taught =
        job_.teacher ? contents_of_stage(teacher_job(job_), stage) : std::vector<ChunkContent>();
    std::vector<std::uint32_t> content;
    for (std::size_t local = 0; local < held.size(); ++local) {
      content.push_back(
          content_index(held[local], taught.empty() ? std::nullopt : std::optional(taught[local])));
    }
    seats_.insert(seats_.end(), content.begin(), content.end());
    add_stage(stage, std::move(content));
  }
}

std::uint32_t StageTables::content_index(const ChunkContent& content,
                                         const std::optional<ChunkContent>& taught) {
  std::size_t index = 0;
  while (index < contents_.size() &&
         !(is_same(contents_[index], content, layers_are_alike_) &&
           (!taught || is_same(taught_[index], *taught, layers_are_alike_)))) {
    ++index;
  }
  if (index == contents_.size()) {
    contents_.push_back(content);
    if (taught) {
      taught_.push_back(*taught);
    }
  }
  return static_cast<std::uint32_t>(index);
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
    classes_.push_back({stage, std::move(content), {}});
    if (job_.teacher) {
      classes_.back().teacher = teacher_memory(job_, subject_.placement, stage);
    }
  }
}

void StageTables::choose(std::size_t sharding) {
  job_.recipe.zero = shardings_[sharding].zero;
  job_.recipe.shard_group = shardings_[sharding].group;
}

const std::vector<StageWeights>& StageTables::weights() {
  if (weights_.empty()) {
    for (const StageClass& one : classes_) {
      weights_.push_back(stage_weights(job_, one.stage));
    }
  }
  return weights_;
}

const std::vector<StageMemory>& StageTables::states(std::size_t sharding) {
  auto& states = by_sharding_[sharding].states;
  if (states.empty()) {
    choose(sharding);
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      states.push_back(state_memory(job_, weights()[i]));
      if (job_.teacher) {
        const Job teacher = teacher_job(job_);
        states.back().weights +=
            state_memory(teacher, stage_weights(teacher, classes_[i].stage)).weights;
      }
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
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const StageWeights& held = weights()[i];
      tails.push_back(priced_tail(tables.pricing(overlap),
                                  builder.tail(held, classes_[i].stage),
                                  held.parameters + held.expert_parameters,
                                  replicas_of(job_),
                                  tail_offload(job_, held, subject_.host.link)));
    }
  }
  return tails;
}

}  // namespace forerun
