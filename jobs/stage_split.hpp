// How the layers of a model are cut into the chunks of its pipeline stages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// Transformer layers of one model chunk; the first chunk also holds the embedding, the last one
/// also holds the head.
struct ChunkLayers {
  std::int64_t first = 0;
  std::int64_t count = 0;
  friend bool operator==(const ChunkLayers&, const ChunkLayers&) = default;
};

/// `even`: see assign_layers. `counted`: as even as can be when the embedding counts as so many
/// layers and the head as so many (Megatron's account-for-embedding-in-pipeline-split and -loss-:
/// one each). `listed`: layers of every chunk in model order (Megatron's
/// pipeline-model-parallel-layout); some may have none.
struct StageSplit {
  enum class Kind { even, counted, listed };

  Kind kind = Kind::even;
  std::int64_t embedding = 0;        ///< of `counted`, layers
  std::int64_t head = 0;             //
  std::vector<std::int64_t> layers;  ///< of `listed`, [chunk]
  friend bool operator==(const StageSplit&, const StageSplit&) = default;
};

/// "N+N+...": layers of one chunk or stage after the other. Nothing for any other text.
[[nodiscard]] std::optional<std::vector<std::int64_t>> layer_counts_from(std::string_view text);
[[nodiscard]] std::string text_of(const std::vector<std::int64_t>& layer_counts);

/// "even", "ends:E+H" or "N+N+...". Nothing for any other text.
[[nodiscard]] std::optional<StageSplit> stage_split_from(std::string_view text);
[[nodiscard]] std::string text_of(const StageSplit& split);

/// Layers of each chunk, in model order (where they lie: chunk_placement.hpp). `even`: alike when
/// the layers divide; with the embedding and the head counted as one layer each when the layers
/// plus two divide (126 layers on 16 x 8 chunks), as Megatron can; else the first chunks hold one
/// more. The split must suit (unsuitable_because).
[[nodiscard]] std::vector<ChunkLayers> assign_layers(std::int64_t layers,
                                                     std::int64_t chunks,
                                                     const StageSplit& split = {});

/// Why a model of so many layers cannot be cut so; empty when it can.
[[nodiscard]] std::optional<std::string> unsuitable_because(const StageSplit& split,
                                                            std::int64_t layers,
                                                            std::int64_t chunks);

}  // namespace forerun
