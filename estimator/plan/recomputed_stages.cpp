#include "estimator/plan/recomputed_stages.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace forerun {
namespace {

std::uint32_t index_of(std::size_t size) {
  return static_cast<std::uint32_t>(size);
}

// Where all stages recompute alike, their classes are the groups.
RecomputedStages all_alike(const StageTables& stages, const RecomputePolicy& policy) {
  RecomputedStages result{
      stages.contents(), stages.taught(), stages.seats(), {}, stages.class_of()};
  for (ChunkContent& content : result.contents) {
    content.recomputed = recomputed_layers(policy, 0, content.layers.count);
  }
  result.groups.reserve(stages.classes().size());
  for (std::size_t i = 0; i < stages.classes().size(); ++i) {
    result.groups.push_back({index_of(i), static_cast<std::uint32_t>(stages.classes()[i].stage)});
  }
  return result;
}

}  // namespace

RecomputedStages recomputed_stages(const StageTables& stages, const RecomputePolicy& policy) {
  if (policy.by_stage.empty()) {
    return all_alike(stages, policy);
  }
  RecomputedStages result;
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> contents;
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> groups;
  for (std::size_t stage = 0; stage < stages.class_of().size(); ++stage) {
    const std::uint32_t stage_class = stages.class_of()[stage];
    for (const std::uint32_t plain : stages.classes()[stage_class].content) {
      ChunkContent content = stages.contents()[plain];
      content.recomputed =
          recomputed_layers(policy, static_cast<std::int64_t>(stage), content.layers.count);
      const auto [found, is_new] =
          contents.try_emplace({plain, content.recomputed}, index_of(result.contents.size()));
      if (is_new) {
        result.contents.push_back(content);
        if (!stages.taught().empty()) {
          result.taught.push_back(stages.taught()[plain]);
        }
      }
      result.seats.push_back(found->second);
    }
    const auto [found, is_new] =
        groups.try_emplace({stage_class, policy.by_stage[stage]}, index_of(result.groups.size()));
    result.group_of.push_back(found->second);
    if (is_new) {
      result.groups.push_back({stage_class, index_of(stage)});
    }
  }
  return result;
}

std::int64_t largest_chunk(const StageTables& stages, std::size_t stage) {
  std::int64_t most = 0;
  for (const std::uint32_t content : stages.classes()[stages.class_of()[stage]].content) {
    most = std::max(most, stages.contents()[content].layers.count);
  }
  return most;
}

}  // namespace forerun
