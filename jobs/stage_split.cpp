#include "jobs/stage_split.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "jobs/model_family.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

// More chunks than any model has.
constexpr std::size_t most_chunks = 100'000;

// As many units a chunk as can be, what is left over in the first ones; then the ends give back
// what is none of theirs.
std::vector<std::int64_t> counted(std::int64_t layers,
                                  std::int64_t chunks,
                                  std::int64_t embedding,
                                  std::int64_t head) {
  const std::int64_t units = layers + embedding + head;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(chunks), units / chunks);
  std::for_each_n(counts.begin(), units % chunks, [](std::int64_t& count) { ++count; });
  counts.front() -= embedding;
  counts.back() -= head;
  return counts;
}

std::vector<std::int64_t> counts_of(std::int64_t layers,
                                    std::int64_t chunks,
                                    const StageSplit& split) {
  switch (split.kind) {
    case StageSplit::Kind::even:
      return layers % chunks != 0 && (layers + 2) % chunks == 0 ? counted(layers, chunks, 1, 1)
                                                                : counted(layers, chunks, 0, 0);
    case StageSplit::Kind::counted:
      return counted(layers, chunks, split.embedding, split.head);
    case StageSplit::Kind::listed:
      return split.layers;
  }
  return {};
}

}  // namespace

std::optional<std::vector<std::int64_t>> layer_counts_from(std::string_view text) {
  std::vector<std::int64_t> counts;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const std::size_t end = std::min(text.find('+', at), text.size());
    const auto count = parse_whole(text.substr(at, end - at), 0);
    if (!count || *count > most_layers || counts.size() == most_chunks) {
      return std::nullopt;
    }
    counts.push_back(*count);
    at = end;
  }
  return counts;
}

std::string text_of(const std::vector<std::int64_t>& layer_counts) {
  return fmt::format("{}", fmt::join(layer_counts, "+"));
}

std::optional<StageSplit> stage_split_from(std::string_view text) {
  constexpr std::string_view ends = "ends:";
  if (text == "even") {
    return StageSplit{};
  }
  const bool counts = text.starts_with(ends);
  const auto numbers = layer_counts_from(counts ? text.substr(ends.size()) : text);
  if (!numbers || (counts && numbers->size() != 2)) {
    return std::nullopt;
  }
  if (counts) {
    return StageSplit{StageSplit::Kind::counted, numbers->front(), numbers->back(), {}};
  }
  return StageSplit{StageSplit::Kind::listed, 0, 0, *numbers};
}

std::string text_of(const StageSplit& split) {
  switch (split.kind) {
    case StageSplit::Kind::even:
      return "even";
    case StageSplit::Kind::counted:
      return fmt::format("ends:{}+{}", split.embedding, split.head);
    case StageSplit::Kind::listed:
      return text_of(split.layers);
  }
  return {};
}

std::vector<ChunkLayers> assign_layers(std::int64_t layers,
                                       std::int64_t chunks,
                                       const StageSplit& split) {
  std::vector<ChunkLayers> result;
  std::int64_t first = 0;
  for (const std::int64_t count : counts_of(layers, chunks, split)) {
    result.push_back({first, count});
    first += count;
  }
  return result;
}

std::optional<std::string> unsuitable_because(const StageSplit& split,
                                              std::int64_t layers,
                                              std::int64_t chunks) {
  if (split.kind == StageSplit::Kind::even) {
    return std::nullopt;
  }
  const std::vector<std::int64_t> counts = counts_of(layers, chunks, split);
  if (std::ssize(counts) != chunks) {
    return fmt::format(
        "--stage-layers names {} chunks, the pipeline has {}", counts.size(), chunks);
  }
  const std::int64_t sum = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  if (sum != layers) {
    return fmt::format(
        "--stage-layers {} holds {} layers, the model has {}", text_of(split), sum, layers);
  }
  if (std::ranges::min(counts) < 0) {
    return fmt::format("--stage-layers {} leaves less than no layer to an end: {}",
                       text_of(split),
                       text_of(counts));
  }
  return std::nullopt;
}

}  // namespace forerun
