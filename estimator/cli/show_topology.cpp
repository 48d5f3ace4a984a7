#include "estimator/cli/show_topology.hpp"

#include <algorithm>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/profile/build_info.hpp"
#include "estimator/profile/profile_json.hpp"
#include "estimator/profile/topology_json.hpp"
#include "units/quantity_text.hpp"
#include "units/text_table.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;
using Ranks = std::vector<std::int64_t>;

constexpr std::int64_t most_for_numbers = 16;
constexpr std::int64_t most_for_signs = 64;

Json square_of_nulls(std::int64_t ranks) {
  const auto count = static_cast<std::size_t>(ranks);
  const Json row = std::vector<Json>(count, Json(nullptr));
  return std::vector<Json>(count, row);
}

template <typename Value>
Json matrix_of(const MeasuredTopology& topology, std::int64_t ranks, Value value) {
  Json matrix = square_of_nulls(ranks);
  for (const PairDistance& pair : topology.pairs) {
    const auto a = static_cast<std::size_t>(pair.first);
    const auto b = static_cast<std::size_t>(pair.second);
    matrix.at(a).at(b) = value(pair);
    matrix.at(b).at(a) = value(pair);
  }
  return matrix;
}

std::string time_text(double seconds) {
  return text_of(seconds * unit::second);
}

std::string rate_text(double bytes_per_s) {
  return text_of(bytes_per_s * unit::byte / unit::second);
}

// "0-3 8-11": runs of ranks.
std::string runs_text(const Ranks& ranks) {
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) {
      ++end;
    }
    const char* const space = text.empty() ? "" : " ";
    text += end - i == 1 ? fmt::format("{}{}", space, ranks[i])
                         : fmt::format("{}{}-{}", space, ranks[i], ranks[end - 1]);
    i = end;
  }
  return text;
}

// The one host of these ranks; empty where they run on several.
std::string common_host(const Json& hosts, const Ranks& ranks) {
  const auto& first = hosts.at(static_cast<std::size_t>(ranks.front()));
  const bool is_one = std::ranges::all_of(
      ranks, [&](std::int64_t rank) { return hosts.at(static_cast<std::size_t>(rank)) == first; });
  return is_one ? first.get<std::string>() : "";
}

std::string ranks_text(const Json& hosts, const Ranks& ranks) {
  const std::string host = common_host(hosts, ranks);
  return fmt::format("rank{} {}{}",
                     ranks.size() == 1 ? "" : "s",
                     runs_text(ranks),
                     host.empty() ? "" : " on " + host);
}

std::string level_text(const Json& level) {
  const Json& alone = level["bandwidth_alone_bytes_per_s"];
  std::string text = fmt::format("{}: {} each",
                                 level["name"].get<std::string>(),
                                 rate_text(level["bandwidth_bytes_per_s"].get<double>()));
  if (!alone.is_null()) {
    text += fmt::format(" with all busy, {} alone", rate_text(alone.get<double>()));
  }
  const Json& latency =
      level["latency_alone_s"].is_null() ? level["latency_s"] : level["latency_alone_s"];
  return text + fmt::format(", {} latency, confidence {:.2f}",
                            time_text(latency.get<double>()),
                            level["confidence"].get<double>());
}

// The groups of level `level` (counted from the innermost) within `ranks`, under one another.
void print_groups(const Json& document,
                  const Ranks& ranks,
                  std::size_t level,
                  const std::string& indent,
                  std::ostream& out) {
  const Json& levels = document["measured"]["levels"];
  std::vector<Ranks> inside;
  for (const Json& group : levels.at(level)["groups"]) {
    const auto members = group.get<Ranks>();
    if (std::ranges::binary_search(ranks, members.front())) {
      inside.push_back(members);
    }
  }
  for (std::size_t i = 0; i < inside.size(); ++i) {
    const bool is_last = i + 1 == inside.size();
    fmt::print(out,
               "{}{}{}\n",
               indent,
               is_last ? "`-- " : "|-- ",
               ranks_text(document["hosts"], inside[i]));
    if (level > 0 && inside[i].size() > 1) {
      print_groups(document, inside[i], level - 1, indent + (is_last ? "    " : "|   "), out);
    }
  }
}

void print_tree(const Json& document, std::ostream& out) {
  const Json& levels = document["measured"]["levels"];
  fmt::print(out, "\nlevels of links, from outside in\n");
  for (std::size_t i = levels.size(); i-- > 0;) {
    fmt::print(out, "  {}\n", level_text(levels.at(i)));
  }
  fmt::print(out, "\n");
  for (const Json& group : levels.back()["groups"]) {
    const auto ranks = group.get<Ranks>();
    fmt::print(out, "{}\n", ranks_text(document["hosts"], ranks));
    if (levels.size() > 1) {
      print_groups(document, ranks, levels.size() - 2, "", out);
    }
  }
}

// At most seven letters: "118 MB/s" as "118M", "24.7 us" as "24.7us".
std::string short_rate(const Json& value) {
  if (value.is_null()) {
    return "";
  }
  std::string text = rate_text(value.get<double>());
  text.resize(text.find("B/s"));
  std::erase(text, ' ');
  return text;
}

std::string short_time(const Json& value) {
  if (value.is_null()) {
    return "";
  }
  std::string text = time_text(value.get<double>());
  std::erase(text, ' ');
  return text;
}

void print_numbers(const Json& document, std::ostream& out) {
  const Json& measured = document["measured"];
  const std::size_t ranks = document["hosts"].size();
  fmt::print(out, "\nbytes a second above the diagonal, latency below it\n\n");
  std::vector<TextColumn> columns{{"rank"}};
  for (std::size_t column = 0; column < ranks; ++column) {
    columns.push_back({std::to_string(column)});
  }
  columns.push_back({"host", Align::left});
  TextTable table(std::move(columns));
  for (std::size_t row = 0; row < ranks; ++row) {
    std::vector<std::string> cells{std::to_string(row)};
    for (std::size_t column = 0; column < ranks; ++column) {
      const Json& rate = measured["bandwidth_matrix_bytes_per_s"].at(row).at(column);
      const Json& latency = measured["latency_matrix_s"].at(row).at(column);
      const std::string off = column > row ? short_rate(rate) : short_time(latency);
      cells.push_back(column == row ? "." : off);
    }
    cells.push_back(document["hosts"].at(row).get<std::string>());
    table.add(std::move(cells));
  }
  table.print(out);
}

// The level of each pair as a digit, innermost 1.
std::vector<std::string> level_signs(const Json& levels, std::size_t ranks) {
  std::vector<std::string> signs(ranks, std::string(ranks, ' '));
  for (std::size_t level = levels.size(); level-- > 0;) {
    for (const Json& group : levels.at(level)["groups"]) {
      for (const auto a : group.get<std::vector<std::size_t>>()) {
        for (const auto b : group.get<std::vector<std::size_t>>()) {
          signs[a][b] = static_cast<char>('1' + std::min<std::size_t>(level, 8));
        }
      }
    }
  }
  return signs;
}

// The levels, '!' for slow links and stragglers' pairs.
std::vector<std::string> signs_of(const Json& document) {
  const Json& measured = document["measured"];
  const std::size_t ranks = document["hosts"].size();
  std::vector<std::string> signs = level_signs(measured["levels"], ranks);
  std::set<std::size_t> odd;
  for (const Json& straggler : measured["stragglers"]) {
    odd.insert(straggler["rank"].get<std::size_t>());
  }
  for (std::size_t a = 0; a < ranks; ++a) {
    for (std::size_t b = 0; b < ranks; ++b) {
      if (measured["latency_matrix_s"].at(a).at(b).is_null()) {
        signs[a][b] = ' ';
      } else if (odd.contains(a) || odd.contains(b)) {
        signs[a][b] = '!';
      }
    }
    signs[a][a] = '.';
  }
  for (const Json& link : measured["slow_links"]) {
    const auto a = link["ranks"].at(0).get<std::size_t>();
    const auto b = link["ranks"].at(1).get<std::size_t>();
    signs[a][b] = signs[b][a] = '!';
  }
  return signs;
}

void print_signs(const Json& document, std::ostream& out) {
  const Json& levels = document["measured"]["levels"];
  fmt::print(out, "\nlevel between ranks:");
  for (std::size_t level = 0; level < levels.size(); ++level) {
    fmt::print(out,
               " {} {},",
               std::min<std::size_t>(level, 8) + 1,
               levels.at(level)["name"].get<std::string>());
  }
  fmt::print(out, " ! slower than its level\n\n");
  const auto signs = signs_of(document);
  for (std::size_t row = 0; row < signs.size(); ++row) {
    fmt::print(
        out, "{:>6}  {}  {}\n", row, signs[row], document["hosts"].at(row).get<std::string>());
  }
}

// The words of `nvidia-smi topo -m`.
std::string sign_of(const Json& link) {
  static const std::map<std::string, std::string> signs{{"same board", "PIX"},
                                                        {"pcie switch", "PIX"},
                                                        {"pcie switches", "PXB"},
                                                        {"host bridge", "PHB"},
                                                        {"numa domain", "NODE"},
                                                        {"system", "SYS"}};
  if (const auto nvlinks = link["nvlinks"].get<std::int64_t>(); nvlinks > 0) {
    return fmt::format("NV{}", nvlinks);
  }
  const auto found = link["path"].is_null() ? signs.end() : signs.find(link["path"]);
  return found == signs.end() ? "?" : found->second;
}

// NOLINTNEXTLINE(readability-function-cognitive-complexity): two tables, row by row
void print_links(const Json& links, std::ostream& out) {
  std::vector<std::string> names;
  std::map<std::pair<std::string, std::string>, std::string> signs;
  for (const Json& link : links) {
    const auto first = link["first"].get<std::string>();
    const auto second = link["second"].get<std::string>();
    for (const std::string& name : {first, second}) {
      if (std::ranges::find(names, name) == names.end()) {
        names.push_back(name);
      }
    }
    signs[{first, second}] = signs[{second, first}] = sign_of(link);
  }
  if (names.empty()) {
    return;
  }
  fmt::print(
      out,
      "  links of the node (NVn: n NVLinks; over PCIe PIX: one switch, PXB: several, PHB: the "
      "host bridge, NODE: the NUMA domain, SYS: beyond):\n");
  std::vector<TextColumn> columns{{""}};
  std::ranges::transform(
      names, std::back_inserter(columns), [](const auto& name) { return TextColumn{name}; });
  TextTable table(std::move(columns), 2);
  for (const std::string& row : names) {
    std::vector<std::string> cells{row};
    for (const std::string& column : names) {
      const auto sign = signs.find({row, column});
      cells.push_back(row == column ? "." : (sign == signs.end() ? "" : sign->second));
    }
    table.add(std::move(cells));
  }
  table.print(out);
}

// Processors' names are padded.
std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

void print_node(const Json& document, std::ostream& out) {
  const Json& node = document["node"];
  if (node["cores"].get<std::int64_t>() == 0) {
    return;  // an imported log does not describe its nodes
  }
  fmt::print(out,
             "each node: {}, {} sockets, {} NUMA domains, {} cores, {} last-level cache, {}\n",
             trimmed(node["cpu_model"].get<std::string>()),
             node["sockets"].get<std::int64_t>(),
             node["numa_domains"].get<std::int64_t>(),
             node["cores"].get<std::int64_t>(),
             text_of(node["last_level_cache_bytes"].get<double>() * unit::byte),
             text_of(node["memory_bytes"].get<double>() * unit::byte));
  for (const char* const kind : {"gpus", "nics"}) {
    for (const Json& device : node[kind]) {
      fmt::print(
          out, "  {} {}\n", kind == std::string("gpus") ? "gpu" : "nic", device.get<std::string>());
    }
  }
  print_links(node["links"], out);
}

}  // namespace

Json topology_document(const std::string& path) {
  const Profile profile = read_profile(path);
  Json document = document_head();
  document["profile"] = path;
  document["date"] = profile.date;
  document["device"] = profile.device.name;
  document["hosts"] = profile.hosts;
  document["ranks_per_node"] = profile.ranks_per_node;
  document["node"] = to_json(profile)["topology"]["node"];
  document["measured"] = nullptr;
  if (profile.topology) {
    Json measured = to_json(*profile.topology);
    measured.erase("pairs");
    measured["latency_matrix_s"] =
        matrix_of(*profile.topology, profile.ranks, [](const PairDistance& pair) {
          return pair.latency.in(unit::second);
        });
    measured["bandwidth_matrix_bytes_per_s"] =
        matrix_of(*profile.topology, profile.ranks, [](const PairDistance& pair) {
          return pair.bandwidth.in(unit::byte / unit::second);
        });
    document["measured"] = std::move(measured);
  }
  return document;
}

void print_topology(const Json& document, std::ostream& out) {
  const auto hosts = document["hosts"].get<std::set<std::string>>();
  const auto ranks = static_cast<std::int64_t>(document["hosts"].size());
  fmt::print(out,
             "{}: {} rank{} of {} on {} host{}, measured {}\n",
             document["profile"].get<std::string>(),
             ranks,
             ranks == 1 ? "" : "s",
             document["device"].get<std::string>(),
             hosts.size(),
             hosts.size() == 1 ? "" : "s",
             document["date"].get<std::string>());
  print_node(document, out);
  if (document["measured"].is_null()) {
    fmt::print(out,
               "\nno distances between ranks in this profile (measured under mpirun with two ranks "
               "or more)\n");
    return;
  }
  print_tree(document, out);
  if (ranks <= most_for_numbers) {
    print_numbers(document, out);
  } else if (ranks <= most_for_signs) {
    print_signs(document, out);
  }
  fmt::print(out, "\n");
  for (const Json& finding : document["measured"]["findings"]) {
    fmt::print(out, "{}\n", finding.get<std::string>());
  }
}

}  // namespace forerun
