// How many rows the most loaded rank of an expert group works on.
#pragma once

#include <cstdint>

#include "jobs/recipe.hpp"

namespace forerun {

/// Rows of the rank that the others wait for, and of its most loaded expert.
struct ExpertRows {
  std::int64_t rank = 0;
  std::int64_t largest = 0;
};

/// `rows` copies of tokens go to `experts` experts that lie on `ranks` ranks, equally many on each;
/// no expert gets more than `tokens` of them. Drawn loads: the mean over draws with fixed seeds, so
/// that the same question has the same answer.
[[nodiscard]] ExpertRows most_loaded(const ExpertLoad& load,
                                     std::int64_t rows,
                                     std::int64_t tokens,
                                     std::int64_t experts,
                                     std::int64_t ranks);

/// Of `places` that share `experts` evenly, how many a token reaches that chooses `top_k` different
/// experts at random: places (1 - C(experts - experts / places, k) / C(experts, k)) (modelling.md
/// 2.4).
[[nodiscard]] double distinct_places(std::int64_t places, std::int64_t experts, std::int64_t top_k);

}  // namespace forerun
