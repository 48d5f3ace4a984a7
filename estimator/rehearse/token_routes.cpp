#include "estimator/rehearse/token_routes.hpp"

#include <algorithm>

namespace forerun {

TokenRoutes token_routes(std::span<const std::int32_t> ends,
                         std::int64_t ranks,
                         std::int64_t experts,
                         std::int64_t here) {
  const std::int64_t held = experts / ranks;
  const auto count = [&](std::int64_t rank, std::int64_t expert) -> std::int64_t {
    const auto at = static_cast<std::size_t>(rank * experts + expert);
    return ends[at] - (expert == 0 ? 0 : ends[at - 1]);
  };
  const auto count_for = [&](std::int64_t from, std::int64_t to) {
    std::int64_t rows = 0;
    for (std::int64_t i = 0; i < held; ++i) {
      rows += count(from, to * held + i);
    }
    return rows;
  };
  TokenRoutes routes;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    routes.sent.push_back(count_for(here, rank));
    routes.received.push_back(count_for(rank, here));
    routes.rows += routes.received.back();
  }
  for (std::int64_t to = 0; to < ranks; ++to) {
    std::int64_t rows = 0;
    for (std::int64_t from = 0; from < ranks; ++from) {
      rows += count_for(from, to);
    }
    routes.most_rows = std::max(routes.most_rows, rows);
    routes.all_rows += rows;
  }
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
