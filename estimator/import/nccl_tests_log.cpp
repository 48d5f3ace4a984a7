// The text that nccl-tests prints.
#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "comm/collective_key.hpp"
#include "estimator/import/imported_log.hpp"
#include "estimator/import/log_lines.hpp"
#include "estimator/import/nccl_tests_rows.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Program {
  std::string_view name;
  std::optional<Collective> op;  ///< none: not modelled
};

constexpr auto programs = std::to_array<Program>({
    {"all_reduce_perf", Collective::all_reduce},
    {"all_gather_perf", Collective::all_gather},
    {"reduce_scatter_perf", Collective::reduce_scatter},
    {"broadcast_perf", Collective::broadcast},
    {"alltoall_perf", Collective::all_to_all},
    {"sendrecv_perf", Collective::send_recv},
    {"reduce_perf", std::nullopt},
    {"gather_perf", std::nullopt},
    {"scatter_perf", std::nullopt},
    {"hypercube_perf", std::nullopt},
    {"alltoallv_perf", std::nullopt},
});

// Longer names stand first: "all_reduce_perf" holds "reduce_perf".
const Program* program_in(std::string_view text) {
  const auto* const found = std::ranges::find_if(programs, [&](const Program& program) {
    return text.find(program.name) != std::string_view::npos;
  });
  return found == programs.end() ? nullptr : found;
}

// The rows of a program of later versions are not those of the one before it.
constexpr Program unknown_program{"a program of a later version", std::nullopt};

bool starts_program(std::string_view text) {
  return text.find("Collective test starting:") != std::string_view::npos;
}

// Whole numbers of one width are moved alike. Elements of eight bytes name no key.
std::optional<DataType> nccl_tests_type(const std::string& word) {
  static const std::map<std::string, DataType> types{{"float", DataType::fp32},
                                                     {"half", DataType::fp16},
                                                     {"bfloat16", DataType::bf16},
                                                     {"int32", DataType::int32},
                                                     {"uint32", DataType::int32},
                                                     {"int8", DataType::uint8},
                                                     {"uint8", DataType::uint8},
                                                     {"f8e4m3", DataType::fp8_e4m3},
                                                     {"fp8_e4m3", DataType::fp8_e4m3},
                                                     {"f8e5m2", DataType::fp8_e5m2},
                                                     {"fp8_e5m2", DataType::fp8_e5m2}};
  const auto found = types.find(word);
  return found == types.end() ? std::nullopt : std::optional<DataType>(found->second);
}

// A key names no reduction: training adds, and others take their own time (avg multiplies first).
bool is_sum(const std::string& reduction) {
  return reduction == "sum" || reduction == "none";
}

// Where a table's columns stand, by its header.
struct Columns {
  std::vector<std::string> names;
  std::size_t size = 0;
  std::size_t type = 0;
  std::optional<std::size_t> reduction = {};
  std::vector<std::size_t> times;            ///< out of place, in place
  std::optional<std::size_t> isolated = {};  ///< of our own table
};

std::optional<Columns> header_in(const std::string& text) {
  std::vector<std::string> names = words_of(text);
  if (names.size() < 3 || names.front() != "#" || names[1] != "size") {
    return std::nullopt;
  }
  names.erase(names.begin());
  Columns columns{names, 0, names.size(), {}, {}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == "type") {
      columns.type = i;
    } else if (names[i] == "redop") {
      columns.reduction = i;
    } else if (names[i] == "time") {
      columns.times.push_back(i);
    } else if (names[i] == "isolated") {
      columns.isolated = i;
    }
  }
  const bool is_whole = columns.type < names.size() && !columns.times.empty();
  return is_whole ? std::optional<Columns>(columns) : std::nullopt;
}

class NcclTestsReader {
 public:
  NcclTestsReader(const std::string& path, const LogContext& context) : context_(context) {
    log_.path = path;
    set_program(program_in(path.substr(path.find_last_of('/') + 1)));
  }

  void take(const LogLine& line) {
    const Program* const named = program_in(line.text);
    set_program(named == nullptr && starts_program(line.text) ? &unknown_program : named);
    if (take_own_heading(line.text)) {
      return;
    }
    refuse_values_out_of_bounds(line);
    if (const auto columns = header_in(line.text)) {
      columns_ = columns;
    } else if (line.text.find("Rank") != std::string::npos) {
      take_rank(line.text);
    } else if (line.text.find("iters:") != std::string::npos) {
      take_iterations(line.text);
    } else if (line.text.find("ersion") != std::string::npos) {
      take_version(line.text);
    } else if (starts_with_number(line.text)) {
      take_row(line);
    }
  }

  [[nodiscard]] ImportedLog finished() {
    if (log_.records.empty()) {
      throw InputError(log_.path,
                       log_.skipped.empty()
                           ? "holds no table of nccl-tests (expected a header '# size count type "
                             "redop root time ...' and rows under it)"
                           : "holds no row that is modelled: " + log_.skipped.begin()->first);
    }
    return std::move(log_);
  }

 private:
  void set_program(const Program* program) {
    if (program != nullptr) {
      program_ = *program;
      stated_.reset();
    }
  }

  // What `measure --comm-only` writes above its tables.
  bool take_own_heading(const std::string& text) {
    static const std::regex device(R"(# measured by forerun on (\w+) '(.*)')");
    static const std::regex curve(
        R"(# (\w+) \w+ over groups of (\d{1,9}) ranks, (\d{1,9}) of a group on a node, (\d{1,9}) groups? at once.*)");
    std::smatch match;
    if (std::regex_match(text, match, device)) {
      log_.device_kind = match[1];
      log_.device = match[2];
      return true;
    }
    if (!std::regex_match(text, match, curve)) {
      return false;
    }
    const auto op = collective_from(match[1].str());
    program_ = Program{op ? name_of(*op) : "a collective of a later version", op};
    stated_ = GroupShape{std::stoll(match[2]), std::stoll(match[3]), std::stoll(match[4])};
    return true;
  }

  static void refuse_values_out_of_bounds(const LogLine& line) {
    static const std::regex form(R"(Out of bounds values\s*:\s*(\d+))");
    std::smatch match;
    if (line.text.find("Out of bounds") != std::string::npos &&
        std::regex_search(line.text, match, form) && positive_number_in(match[1].str()) > 0.0) {
      throw InputError(
          line.place,
          fmt::format("says that {} values were out of bounds (expected 0)", match[1].str()));
    }
  }

  static bool starts_with_number(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t");
    return first != std::string::npos && text[first] >= '0' && text[first] <= '9';
  }

  // "#  Rank  0 Group  0 Pid 41 on node1 device  0 [0x07] NVIDIA A100-SXM4-80GB"; the group and
  // the domain in the bus number are newer.
  void take_rank(const std::string& text) {
    static const std::regex form(
        R"(Rank\s+(\d+)\s+(?:Group\s+(\S+)\s)?.*\bon\s+(\S+)\s+device\s+\d+\s+\[[^\]]*\]\s+(.*\S))");
    std::smatch match;
    if (!std::regex_search(text, match, form)) {
      return;
    }
    if (match[1] == "0") {
      listed_.clear();
    }
    listed_.push_back({match[3], match[2]});
    if (!log_.device.empty() && log_.device != match[4]) {
      throw InputError(log_.path,
                       fmt::format("was taken on '{}' and '{}' (expected one kind of device)",
                                   log_.device,
                                   match[4].str()));
    }
    log_.device = match[4];
    if (listed_.size() > log_.hosts.size()) {
      log_.hosts.clear();
      std::ranges::transform(listed_, std::back_inserter(log_.hosts), &ListedRank::host);
    }
  }

  void take_iterations(const std::string& text) {
    static const std::regex form(R"((?:^|\s)iters:\s*(\d+))");
    const std::string after_warmup = text.substr(
        text.find("warmup iters:") == std::string::npos ? 0 : text.find("warmup iters:") + 13);
    std::smatch match;
    if (std::regex_search(after_warmup, match, form)) {
      samples_ = std::max<std::int64_t>(1, std::stoll(match[1].str().substr(0, 9)));
    }
  }

  void take_version(const std::string& text) {
    static const std::regex form(R"((nccl-tests|NCCL) version ([0-9][^\s]*))");
    std::smatch match;
    if (std::regex_search(text, match, form)) {
      const std::pair<std::string, std::string> entry{match[1] == "NCCL" ? "nccl" : "nccl-tests",
                                                      match[2]};
      if (std::ranges::find(log_.software, entry) == log_.software.end()) {
        log_.software.push_back(entry);
      }
    }
  }

  [[nodiscard]] GroupShape group(const std::string& place) const {
    if (stated_) {
      return *stated_;
    }
    if (!listed_.empty()) {
      return shape_of(listed_, context_.ranks_per_node, place);
    }
    const std::int64_t ranks = context_.ranks.value_or(0);
    if (ranks < 1) {
      throw InputError(place,
                       "no '# Rank' line before this row says how many ranks there were (expected "
                       "one, or --ranks)");
    }
    return {ranks, std::min(ranks, context_.ranks_per_node.value_or(ranks)), 1};
  }

  void take_row(const LogLine& line) {
    const std::vector<std::string> words = words_of(line.text);
    if (!columns_) {
      throw InputError(line.place, "numbers before the table's header '# size count type ...'");
    }
    if (line.is_last && words.size() < columns_->names.size()) {
      ++log_.skipped["cut off"];
      return;
    }
    if (words.size() != columns_->names.size()) {
      throw InputError(line.place,
                       fmt::format("has {} fields (expected {}, as the header has)",
                                   words.size(),
                                   columns_->names.size()));
    }
    if (!program_) {
      throw InputError(line.place,
                       "nothing before this row says which collective it is (expected a line, or a "
                       "file name, with all_reduce_perf or the like)");
    }
    const auto type = nccl_tests_type(words[columns_->type]);
    const double bytes = positive_number_in(words[columns_->size]);
    if (!program_->op) {
      ++log_.skipped[std::string(program_->name) + " is not modelled"];
    } else if (!type) {
      ++log_.skipped["elements of type '" + words[columns_->type] + "'"];
    } else if (columns_->reduction && !is_sum(words[*columns_->reduction])) {
      ++log_.skipped["reduction '" + words[*columns_->reduction] + "'"];
    } else if (bytes < 1.0) {
      ++log_.skipped["no bytes"];
    } else {
      add(line, words, {*program_->op, std::llround(bytes), *type, group(line.place)});
    }
  }

  void add(const LogLine& line, const std::vector<std::string>& words, const CollectiveKey& key) {
    if (key.group.ranks < 2) {
      ++log_.skipped["one rank"];
      return;
    }
    std::vector<std::optional<Seconds>> times;
    for (const std::size_t column : columns_->times) {
      times.push_back(time_in(line, words[column]));
      if (times.back()) {
        check_row({line.place, columns_->names, words}, column, key);
      }
    }
    const auto known =
        std::ranges::find_if(times, [](const auto& time) { return time.has_value(); });
    const auto isolated =
        columns_->isolated ? time_in(line, words[*columns_->isolated]) : std::nullopt;
    if (known == times.end() && !isolated) {
      ++log_.skipped["no time"];
      return;
    }
    CollectiveRecord record{key, timing_of_mean(isolated ? *isolated : **known, samples_)};
    record.back_to_back = times.front();
    record.in_place = times.size() > 1 ? times[1] : std::nullopt;
    log_.records.push_back(std::move(record));
  }

  static std::optional<Seconds> time_in(const LogLine& line, const std::string& word) {
    if (word == "N/A") {
      return std::nullopt;
    }
    const double time = positive_number_in(word);
    if (time == 0.0) {
      throw InputError(line.place, fmt::format("time '{}' (expected microseconds above 0)", word));
    }
    return time * unit::microsecond;
  }

  LogContext context_;
  ImportedLog log_;
  std::optional<Program> program_;
  std::optional<GroupShape> stated_;  // by the heading of our own table
  std::optional<Columns> columns_;
  std::vector<ListedRank> listed_;  // of the run being read
  std::int64_t samples_ = 1;
};

}  // namespace

Timing timing_of_mean(Seconds mean, std::int64_t samples) {
  constexpr double interval = 0.03;
  return {mean, mean * (1.0 - interval), mean * (1.0 + interval), mean, mean, samples, 0.0};
}

ImportedLog read_nccl_tests_text(std::string_view text,
                                 const std::string& path,
                                 const LogContext& context) {
  NcclTestsReader reader(path, context);
  for (const LogLine& line : log_lines(text, path)) {
    reader.take(line);
  }
  return reader.finished();
}

ImportedLog read_nccl_tests(const std::string& path, const LogContext& context) {
  return read_nccl_tests_text(
      text_of_file(path, largest::log, "the log of a benchmark"), path, context);
}

}  // namespace forerun
