// The sizes that the items of a micro-batch share.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "comm/collective_key.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// Sizes that every item of a micro-batch shares.
struct MicroBatchSizes {
  std::int64_t batch = 0;       ///< sequences
  std::int64_t tokens = 0;      ///< sequence * batch
  std::int64_t row_tokens = 0;  ///< tokens of the residual stream here: tokens / tp with SP
  std::int64_t hidden = 0;
  std::int64_t heads = 0;     ///< local
  std::int64_t kv_heads = 0;  ///< local
  std::int64_t head_size = 0;
  std::int64_t qkv_width = 0;
  std::int64_t ffn = 0;         ///< local
  std::int64_t up_width = 0;    ///< local, gate and up together
  std::int64_t vocabulary = 0;  ///< local, padded
};

/// Sizes of the experts' work on the most loaded rank.
struct ExpertSizes {
  std::int64_t held = 0;        ///< experts of this rank
  std::int64_t rows = 0;        ///< copies of tokens that it works on
  std::int64_t largest = 0;     ///< of them, those of one expert
  std::int64_t ffn = 0;         ///< local width of an expert
  std::int64_t shared_ffn = 0;  ///< local width of the shared experts; 0: none
};

/// A message between neighbouring stages.
struct BoundaryWork {
  CollectiveKey message;
  std::optional<CollectiveKey> gather;  ///< of the parts that tensor ranks sent
};

/// Local sizes of a Mamba or DeltaNet layer on one tensor rank.
struct MixerSizes {
  std::int64_t inner = 0;      ///< channels, or values of all heads
  std::int64_t keys = 0;       ///< B and C of all groups, or DeltaNet's keys
  std::int64_t heads = 0;      ///< of values; 0 for Mamba-1
  std::int64_t groups = 0;     ///< of B and C, or heads of keys; 0 for Mamba-1
  std::int64_t convolved = 0;  ///< channels of the convolution
  std::int64_t projected = 0;  ///< outputs of the projection in
  /// Runs of rows of the projection in, and of the convolution, that are split over the tensor
  /// group one by one.
  std::vector<std::int64_t> projected_sections;
  std::vector<std::int64_t> convolved_sections;
};

[[nodiscard]] MixerSizes mixer_sizes(const Job& job, Mixer mixer);

}  // namespace forerun
