// Integer operands that make sense to the kernel that reads them.
#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>

#include "kernels/operands.hpp"

namespace forerun {
namespace {

using Indices = std::vector<std::int32_t>;

Indices below(std::int64_t count, std::int64_t limit, std::mt19937_64& random) {
  std::uniform_int_distribution<std::int32_t> draw(0, static_cast<std::int32_t>(limit - 1));
  Indices result(static_cast<std::size_t>(count));
  std::ranges::generate(result, [&] { return draw(random); });
  return result;
}

Indices permutation(std::int64_t count, std::mt19937_64& random) {
  Indices result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), 0);
  std::ranges::shuffle(result, random);
  return result;
}

// For each token the first `top_k` experts of a shuffled deck: Fisher and Yates, cut short.
Indices choices(const RouterShape& s, std::mt19937_64& random) {
  Indices deck(static_cast<std::size_t>(s.experts));
  std::iota(deck.begin(), deck.end(), 0);
  Indices result;
  result.reserve(static_cast<std::size_t>(s.tokens * s.top_k));
  for (std::int64_t token = 0; token < s.tokens; ++token) {
    for (std::int64_t i = 0; i < s.top_k; ++i) {
      std::uniform_int_distribution<std::int64_t> draw(i, s.experts - 1);
      std::swap(deck[static_cast<std::size_t>(i)], deck[static_cast<std::size_t>(draw(random))]);
      result.push_back(deck[static_cast<std::size_t>(i)]);
    }
  }
  return result;
}

Indices ends_of(const GroupedGemmShape& shape) {
  Indices ends;
  std::int64_t end = 0;
  for (const std::int64_t rows : group_rows(shape)) {
    end += rows;
    ends.push_back(static_cast<std::int32_t>(end));
  }
  return ends;
}

}  // namespace

std::vector<std::int32_t> sample_indices(const KernelKey& key,
                                         std::string_view name,
                                         std::uint64_t seed) {
  std::mt19937_64 random(seed);
  if (const auto* grouped = std::get_if<GroupedGemmShape>(&key.shape)) {
    return ends_of(*grouped);
  }
  if (const auto* router = std::get_if<RouterShape>(&key.shape)) {
    return choices(*router, random);
  }
  if (const auto* permute = std::get_if<PermuteShape>(&key.shape)) {
    return permutation(permute->tokens * permute->top_k, random);
  }
  if (const auto* table = std::get_if<TableShape>(&key.shape)) {
    return below(table->tokens, table->table_rows, random);
  }
  if (const auto* rows = std::get_if<RowsShape>(&key.shape)) {
    return below(rows->rows, rows->columns, random);
  }
  throw std::invalid_argument(text_of(key) + " has no integer operand " + std::string(name));
}

}  // namespace forerun
