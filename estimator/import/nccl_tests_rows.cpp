#include "estimator/import/nccl_tests_rows.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "estimator/import/log_lines.hpp"
#include "units/input_error.hpp"
#include "units/integer.hpp"

namespace forerun {
namespace {

// What nccl-tests allowed before it counted wrong elements (DeltaMaxValue of its src/common.cu).
double most_error(DataType type) {
  switch (type) {
    case DataType::fp32:
      return 1e-5;
    case DataType::fp16:
    case DataType::bf16:
      return 1e-2;
    default:
      return 0.0;
  }
}

// Half of the last digit that is printed.
double rounding_of(const std::string& word) {
  const std::size_t point = word.find('.');
  const auto digits =
      point == std::string::npos ? 0.0 : static_cast<double>(word.size() - point - 1);
  return 0.5 * std::pow(10.0, -digits);
}

struct Placement {
  std::size_t ranks = 0;
  std::set<std::string> hosts;
};

bool has(const TableRow& row, std::size_t column, std::string_view name) {
  return column < row.names.size() && row.names[column] == name;
}

// "#wrong" or "error" is the third column after the time; "N/A" where nothing was checked.
void refuse_wrong_results(const TableRow& row, std::size_t time_column, DataType type) {
  const std::size_t column = time_column + 3;
  const double value = column < row.words.size() ? positive_number_in(row.words[column]) : 0.0;
  if (has(row, column, "#wrong") && value > 0.0) {
    throw InputError(row.place,
                     fmt::format("reports {} wrong results (expected 0)", row.words[column]));
  }
  if (has(row, column, "error") && value > most_error(type)) {
    throw InputError(row.place,
                     fmt::format("reports an error of {} (nccl-tests allows {:g} for its type)",
                                 row.words[column],
                                 most_error(type)));
  }
}

// Their quotient tells how many ranks took part, and in which collective.
void refuse_other_rates(const TableRow& row, std::size_t time_column, const CollectiveKey& key) {
  if (!has(row, time_column + 1, "algbw") || !has(row, time_column + 2, "busbw")) {
    return;
  }
  const std::string& algorithm = row.words[time_column + 1];
  const std::string& bus = row.words[time_column + 2];
  const double factor = wire_bytes(key) / static_cast<double>(key.bytes);
  const double expected = factor * positive_number_in(algorithm);
  const double slack = 1.01 * (rounding_of(bus) + factor * rounding_of(algorithm));
  if (std::abs(positive_number_in(bus) - expected) > slack) {
    throw InputError(row.place,
                     fmt::format("busbw {} is not {:.4g} times algbw {}, as for {} over {} ranks "
                                 "(is the log of another collective, or of other groups?)",
                                 bus,
                                 factor,
                                 algorithm,
                                 name_of(key.op),
                                 key.group.ranks));
  }
}

}  // namespace

GroupShape shape_of(const std::vector<ListedRank>& listed,
                    std::optional<std::int64_t> members,
                    const std::string& place) {
  std::map<std::string, Placement> groups;
  std::map<std::string, std::set<std::string>> on_host;
  for (const ListedRank& rank : listed) {
    Placement& group = groups[rank.group];
    ++group.ranks;
    group.hosts.insert(rank.host);
    on_host[rank.host].insert(rank.group);
  }
  const std::size_t ranks = groups.begin()->second.ranks;
  std::size_t nodes = 1;
  for (const auto& [name, group] : groups) {
    if (group.ranks != ranks) {
      throw InputError(place,
                       fmt::format("its '# Rank' lines list groups of {} and of {} ranks (expected "
                                   "groups of one size)",
                                   ranks,
                                   group.ranks));
    }
    nodes = std::max(nodes, group.hosts.size());
  }
  std::size_t concurrent = 1;
  for (const auto& [host, names] : on_host) {
    concurrent = std::max(concurrent, names.size());
  }
  const auto size = static_cast<std::int64_t>(ranks);
  const std::int64_t together = members.value_or(ceil_div(size, static_cast<std::int64_t>(nodes)));
  return {size, std::min(size, together), static_cast<std::int64_t>(concurrent)};
}

void check_row(const TableRow& row, std::size_t time_column, const CollectiveKey& key) {
  refuse_wrong_results(row, time_column, key.type);
  refuse_other_rates(row, time_column, key);
}

}  // namespace forerun
