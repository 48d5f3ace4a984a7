#include "estimator/rehearse/initial_values.hpp"

#include <cmath>

#include "units/splitmix.hpp"

namespace forerun {
namespace {

// Uniform in [-1, 1).
float uniform(std::uint64_t x) {
  return static_cast<float>(static_cast<double>(splitmix64(x) >> 40U) * 0x1p-23 - 1.0);
}

// A uniform distribution of this half-width has standard deviation 0.02, as GPT-2's initialiser.
const float half_width = 0.02F * std::sqrt(3.0F);

}  // namespace

std::vector<float> initial_weight(const WeightSpec& spec,
                                  const Job& job,
                                  const WeightPart& part,
                                  std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(spec.rows * spec.columns),
                            spec.initial == Initial::ones ? 1.0F : 0.0F);
  if (spec.initial == Initial::ones || spec.initial == Initial::zeros) {
    return values;
  }
  const float reach = spec.initial == Initial::taps
                          ? 1.0F / std::sqrt(static_cast<float>(spec.columns))
                          : half_width;
  const bool is_vocabulary =
      spec.id.name == TensorName::w_embedding || spec.id.name == TensorName::w_head;
  const std::uint64_t stream =
      splitmix64(seed ^ splitmix64(static_cast<std::uint64_t>(spec.id.name) * 65536U +
                                   static_cast<std::uint64_t>(spec.id.layer + 1)));
  const ShardPlace place = shard_place(spec, job, part);
  for (const RowBlock& block : place.rows) {
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t row = block.global_first + i;
      if (is_vocabulary && row >= job.model.vocabulary) {
        continue;
      }
      float* const to = values.data() + (block.local_first + i) * spec.columns;
      const auto first =
          static_cast<std::uint64_t>(row * place.global_columns + place.first_column);
      for (std::int64_t j = 0; j < spec.columns; ++j) {
        to[j] = reach * uniform(stream + first + static_cast<std::uint64_t>(j));
      }
    }
  }
  return values;
}

TokenBatch token_batch(const Job& job,
                       std::int64_t step,
                       std::int64_t micro_batch,
                       std::uint64_t seed) {
  const std::int64_t batch = job.recipe.micro_batch;
  const std::int64_t length = job.recipe.sequence;
  const auto vocabulary = static_cast<std::uint64_t>(job.model.vocabulary);
  const auto token_at = [&](std::int64_t sequence, std::int64_t position) {
    const std::uint64_t where = splitmix64(seed ^ splitmix64(static_cast<std::uint64_t>(step))) +
                                static_cast<std::uint64_t>(sequence * (length + 1) + position);
    return static_cast<std::int32_t>(splitmix64(where) % vocabulary);
  };
  TokenBatch result;
  for (std::int64_t position = 0; position < length; ++position) {
    for (std::int64_t i = 0; i < batch; ++i) {
      const std::int64_t sequence = micro_batch * batch + i;
      result.tokens.push_back(token_at(sequence, position));
      result.targets.push_back(token_at(sequence, position + 1));
    }
  }
  return result;
}

}  // namespace forerun
