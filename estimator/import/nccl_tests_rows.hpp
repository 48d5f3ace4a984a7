// What a log of nccl-tests says about its ranks, and whether its rows agree with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/collective_key.hpp"

namespace forerun {

/// One "# Rank" line; the group is empty in versions without NCCL_TESTS_SPLIT.
struct ListedRank {
  std::string host;
  std::string group;
};

/// The shape of the groups that the listed ranks (at least one) form; `members` of a group on a
/// node where the user says it. Groups that have ranks on one host are concurrent there. Throws
/// InputError at `place` for groups of different sizes.
[[nodiscard]] GroupShape shape_of(const std::vector<ListedRank>& listed,
                                  std::optional<std::int64_t> members,
                                  const std::string& place);

/// One line of a table; as many words as names.
struct TableRow {
  const std::string& place;
  const std::vector<std::string>& names;
  const std::vector<std::string>& words;
};

/// The checks of the columns that follow a time: #wrong above 0, an `error` (older versions) beyond
/// what DeltaMaxValue of nccl-tests' src/common.cu let pass for the type, and a busbw that is not
/// wire_bytes / bytes times algbw within their rounding (nccl-tests, PERFORMANCE.md). Throws
/// InputError; columns that are absent pass.
void check_row(const TableRow& row, std::size_t time_column, const CollectiveKey& key);

}  // namespace forerun
