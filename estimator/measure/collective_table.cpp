#include "estimator/measure/collective_table.hpp"

#include <map>
#include <vector>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "comm/collective_key.hpp"
#include "estimator/measure/skipped_lines.hpp"
#include "units/text_width.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// The words of nccl-tests.
std::string_view type_word(DataType type) {
  switch (type) {
    case DataType::fp32:
      return "float";
    case DataType::bf16:
      return "bfloat16";
    case DataType::fp16:
      return "half";
    case DataType::int32:
      return "int32";
    case DataType::uint8:
      return "uint8";
    case DataType::fp8_e4m3:
      return "f8e4m3";
    case DataType::fp8_e5m2:
      return "f8e5m2";
  }
  return "";
}

// Elements that a rank gives, or for reduce_scatter gets.
std::int64_t count_of(const CollectiveKey& key) {
  const auto elements =
      static_cast<std::int64_t>(static_cast<double>(key.bytes) / size_of(key.type).in(unit::byte));
  const bool is_whole = key.op == Collective::all_reduce || key.op == Collective::broadcast ||
                        key.op == Collective::send_recv;
  return is_whole ? elements : elements / key.group.ranks;
}

// The columns of nccl-tests. Where lines are too short for them all, those that say least are left
// out: they stand in the profile, and in what goes into a pipe.
enum class Width { whole, short_lines };

constexpr std::size_t whole_width = 147;

Width width_for(std::ostream& out) {
  return line_limit(out).value_or(whole_width) < whole_width ? Width::short_lines : Width::whole;
}

std::string cells(const CollectiveKey& key, const Json& seconds, const Json& wrong) {
  if (seconds.is_null()) {
    return fmt::format("{:>9} {:>7} {:>7} {:>6}", "N/A", "N/A", "N/A", "N/A");
  }
  const auto time = seconds.get<double>();
  const double giga = 1e9;
  return fmt::format("{:>9.2f} {:>7.3f} {:>7.3f} {:>6}",
                     time * 1e6,
                     static_cast<double>(key.bytes) / time / giga,
                     wire_bytes(key) / time / giga,
                     wrong.is_null() ? std::string("N/A") : wrong.dump());
}

std::string microseconds(const Json& seconds) {
  return seconds.is_null() ? "N/A" : fmt::format("{:.2f}", seconds.get<double>() * 1e6);
}

void print_row(const CollectiveKey& key, const Json& record, std::ostream& out) {
  const Json& spread = record["communicator_spread"];
  const std::string out_of_place = cells(key, record["back_to_back_s"], record["wrong"]);
  const std::string last =
      fmt::format("{:>9} {:>7}",
                  microseconds(record["median_s"]),
                  spread.is_null() ? "N/A" : fmt::format("{:.1f}", 100.0 * spread.get<double>()));
  if (width_for(out) == Width::short_lines) {
    fmt::print(out, "{:>12} {:>9}  {}  {}\n", key.bytes, type_word(key.type), out_of_place, last);
    return;
  }
  fmt::print(out,
             "{:>12} {:>12} {:>9} {:>6} {:>5}  {}  {}  {} {:>9}\n",
             key.bytes,
             count_of(key),
             type_word(key.type),
             reduces(key.op) ? "sum" : "none",
             key.op == Collective::broadcast ? "0" : "-1",
             out_of_place,
             cells(key, record["in_place_s"], record["in_place_wrong"]),
             last,
             microseconds(record["own_estimate_s"]));
}

void print_short_titles(std::ostream& out) {
  constexpr const char* titles = "#{:>11} {:>9}  {:>9} {:>7} {:>7} {:>6}  {:>9} {:>7}\n";
  fmt::print(out,
             fmt::runtime(titles),
             "size",
             "type",
             "time",
             "algbw",
             "busbw",
             "#wrong",
             "isolated",
             "spread");
  fmt::print(out, fmt::runtime(titles), "(B)", "", "(us)", "(GB/s)", "(GB/s)", "", "(us)", "(%)");
}

void print_whole_titles(std::ostream& out) {
  fmt::print(out, "#{:>46}  {:^32}  {:^32}\n", "", "out-of-place", "in-place");
  constexpr const char* titles =
      "#{:>11} {:>12} {:>9} {:>6} {:>5}  {:>9} {:>7} {:>7} {:>6}  {:>9} {:>7} {:>7} {:>6}  {:>9} "
      "{:>7} {:>9}\n";
  fmt::print(out,
             fmt::runtime(titles),
             "size",
             "count",
             "type",
             "redop",
             "root",
             "time",
             "algbw",
             "busbw",
             "#wrong",
             "time",
             "algbw",
             "busbw",
             "#wrong",
             "isolated",
             "spread",
             "library's");
  fmt::print(out,
             fmt::runtime(titles),
             "(B)",
             "(elements)",
             "",
             "",
             "",
             "(us)",
             "(GB/s)",
             "(GB/s)",
             "",
             "(us)",
             "(GB/s)",
             "(GB/s)",
             "",
             "(us)",
             "(%)",
             "(us)");
}

void print_heading(const CollectiveKey& key, std::ostream& out) {
  fmt::print(out,
             "\n# {} {} over groups of {} ranks, {} of a group on a node, {} groups at once on "
             "it\n",
             name_of(key.op),
             name_of(key.type),
             key.group.ranks,
             key.group.ranks_per_node,
             key.group.concurrent);
  if (width_for(out) == Width::short_lines) {
    print_short_titles(out);
  } else {
    print_whole_titles(out);
  }
}

}  // namespace

void print_collective_table(const Json& profile, std::ostream& out) {
  std::map<CollectiveKey, std::vector<std::pair<CollectiveKey, const Json*>>> curves;
  for (const Json& record : profile["collectives"]) {
    if (const auto key = collective_key_from(record["key"].get<std::string>())) {
      CollectiveKey curve = *key;
      curve.bytes = 0;
      curves[curve].emplace_back(*key, &record);
    }
  }
  fmt::print(out,
             "# measured by forerun on {} '{}'\n",
             profile["device"]["kind"].get<std::string>(),
             profile["device"]["name"].get<std::string>());
  fmt::print(out,
             "# algbw and busbw in GB/s; time: mean of operations back to back, of the slowest "
             "rank; isolated: median of one after a barrier; spread: between communicators\n");
  if (width_for(out) == Width::short_lines) {
    fmt::print(out,
               "# out of place; count, redop, root, in-place times and the library's own estimate "
               "need {} columns, or are in the profile\n",
               whole_width);
  }
  for (const auto& [curve, rows] : curves) {
    print_heading(curve, out);
    for (const auto& [key, record] : rows) {
      print_row(key, *record, out);
    }
  }
  print_skipped(profile["skipped"], out);
}

}  // namespace forerun
