// What a search found and what it left out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "estimator/plan/candidate.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// A number of things as the counts of candidates have it.
[[nodiscard]] constexpr std::int64_t as_count(std::size_t size) {
  return static_cast<std::int64_t>(size);
}

/// Why a candidate was not priced: the rules of a job in their order, then those of the search.
/// `not_modelled`: the step refuses it; `duplicate`: it differs from another in nothing that exists
/// there (sequence parallelism of one tensor rank, shards of one replica); `memory`: it does not
/// fit; `lower_bound`: its pipeline alone takes longer than what is known already.
enum class Reject {
  heads,
  ffn,
  experts,
  layers,
  schedule,
  stages,
  recompute,
  batch,
  sharding,
  sequence,
  not_modelled,
  duplicate,
  memory,
  lower_bound
};

inline constexpr std::size_t reject_count = 14;

[[nodiscard]] std::string_view name_of(Reject reject);

struct PricedCandidate {
  Seconds step_time;
  Bytes memory;  ///< of the fullest stage at its peak
  Candidate candidate;

  /// Faster first; ties by memory, then by what they choose.
  friend auto operator<=>(const PricedCandidate&, const PricedCandidate&) = default;
};

/// `enumerated` = the sum of `rejected` + `evaluated`.
struct SearchResult {
  std::int64_t enumerated = 0;
  std::array<std::int64_t, reject_count> rejected{};
  std::int64_t evaluated = 0;
  std::map<std::string, std::int64_t> not_modelled;  ///< reasons
  std::map<LayoutShape, PricedCandidate> best;       ///< the fastest of each shape
  std::vector<PricedCandidate> front;  ///< none is both faster and smaller; fastest first
  /// Of what was rejected for its memory alone, the smallest of each shape; `step_time` is 0.
  std::map<LayoutShape, PricedCandidate> smallest;

  void reject(Reject why, std::int64_t count) {
    rejected[static_cast<std::size_t>(why)] += count;  // NOLINT: an enumerator is an index
  }

  void keep(const PricedCandidate& priced);
  void keep_too_large(const PricedCandidate& priced);
  /// Joins what another part of the space gave.
  void merge(const SearchResult& other);
};

/// Fastest first, at most `count`, one of each shape.
[[nodiscard]] std::vector<PricedCandidate> fastest(const SearchResult& result, std::size_t count);

/// A result as one text and back, to travel between ranks; exact.
[[nodiscard]] std::string to_text(const SearchResult& result);
[[nodiscard]] SearchResult search_result_from(const std::string& text);

}  // namespace forerun
