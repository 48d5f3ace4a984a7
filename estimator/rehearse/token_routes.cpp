#include "estimator/rehearse/token_routes.hpp"

#include <algorithm>

namespace forerun {
namespace {

// From one rank to the experts that another holds.
std::int64_t rows_between(std::span<const std::int32_t> ends,
                          std::int64_t experts,
                          std::int64_t held,
                          std::int64_t from,
                          std::int64_t to) {
  const auto first = static_cast<std::size_t>(from * experts + to * held);
  return ends[first + static_cast<std::size_t>(held) - 1] - (to == 0 ? 0 : ends[first - 1]);
}

// What all ranks of the group work on, and the busiest.
void count_group(std::span<const std::int32_t> ends,
                 std::int64_t ranks,
                 std::int64_t experts,
                 TokenRoutes& routes) {
  for (std::int64_t to = 0; to < ranks; ++to) {
    std::int64_t rows = 0;
    for (std::int64_t from = 0; from < ranks; ++from) {
      rows += rows_between(ends, experts, experts / ranks, from, to);
    }
    routes.most_rows = std::max(routes.most_rows, rows);
    routes.all_rows += rows;
  }
}

}  // namespace

TokenRoutes token_routes(std::span<const std::int32_t> ends,
                         std::int64_t ranks,
                         std::int64_t experts,
                         std::int64_t here) {
  const std::int64_t held = experts / ranks;
  const auto count = [&](std::int64_t rank, std::int64_t expert) -> std::int64_t {
    const auto at = static_cast<std::size_t>(rank * experts + expert);
    return ends[at] - (expert == 0 ? 0 : ends[at - 1]);
  };
  TokenRoutes routes;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    routes.sent.push_back(rows_between(ends, experts, held, here, rank));
    routes.received.push_back(rows_between(ends, experts, held, rank, here));
    routes.rows += routes.received.back();
  }
  count_group(ends, ranks, experts, routes);
  // Where each expert's rows begin once they are sorted; then each sender's go one after the other.
  std::vector<std::int64_t> next(static_cast<std::size_t>(held));
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < held; ++i) {
    next[static_cast<std::size_t>(i)] = begin;
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      begin += count(rank, here * held + i);
    }
    routes.ends.push_back(static_cast<std::int32_t>(begin));
  }
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    for (std::int64_t i = 0; i < held; ++i) {
      const std::int64_t rows = count(rank, here * held + i);
      for (std::int64_t row = 0; row < rows; ++row) {
        routes.row_of.push_back(static_cast<std::int32_t>(next[static_cast<std::size_t>(i)]++));
      }
    }
  }
  return routes;
}

KernelKey with_rows(KernelKey key, const TokenRoutes& routes) {
  if (auto* rows = std::get_if<RowsShape>(&key.shape)) {
    rows->rows = routes.rows;
  } else if (auto* permuted = std::get_if<PermuteShape>(&key.shape)) {
    permuted->tokens = routes.rows;
  } else if (auto* grouped = std::get_if<GroupedGemmShape>(&key.shape)) {
    grouped->rows = routes.rows;
    grouped->largest = 0;
    std::int32_t begin = 0;
    for (const std::int32_t end : routes.ends) {
      grouped->largest = std::max<std::int64_t>(grouped->largest, end - begin);
      begin = end;
    }
  }
  return key;
}

}  // namespace forerun
