// The text that the OSU micro-benchmarks print.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <regex>

#include <fmt/format.h>

#include "estimator/import/imported_log.hpp"
#include "estimator/import/log_lines.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// A test by its title, "# OSU MPI-CUDA Allreduce Latency Test v7.3" without the words before and
// after. The whole of it: "Persistent", "Non-blocking" or "Neighborhood" make it another test.
struct Test {
  std::string_view title;  ///< letters alone, small
  Collective op;
  bool is_per_peer;  ///< the size printed is of one peer's share
};

constexpr auto tests = std::to_array<Test>({
    {"latencytest", Collective::send_recv, false},
    {"allreducelatencytest", Collective::all_reduce, false},
    {"allgatherlatencytest", Collective::all_gather, true},
    {"reducescatterlatencytest", Collective::reduce_scatter, false},
    {"broadcastlatencytest", Collective::broadcast, false},
    {"bcastlatencytest", Collective::broadcast, false},
    {"alltoallpersonalizedexchangelatencytest", Collective::all_to_all, true},
    {"alltoalllatencytest", Collective::all_to_all, true},
});

// "# Datatype: MPI_INT."; versions before 7 say none and reduce floats.
std::optional<DataType> osu_type(const std::string& name) {
  static const std::map<std::string, DataType> types{
      {"MPI_CHAR", DataType::uint8}, {"MPI_INT", DataType::int32}, {"MPI_FLOAT", DataType::fp32}};
  const auto found = types.find(name);
  return found == types.end() ? std::nullopt : std::optional<DataType>(found->second);
}

std::string letters_of(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalpha(byte) != 0) {
      letters += static_cast<char>(std::tolower(byte));
    }
  }
  return letters;
}

struct Header {
  std::vector<std::string> names;  ///< letters alone, small
  std::size_t time = 0;
  std::size_t iterations = 0;
  std::size_t validation = 0;
};

std::size_t place_of(const std::vector<std::string>& names, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

// Columns of a header, parted by two spaces or more: "# Size       Avg Latency(us)".
Header columns_of(const std::string& text) {
  std::vector<std::string> columns;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t first = text.find_first_not_of(" \t#", at);
    if (first == std::string::npos) {
      break;
    }
    const std::size_t gap = std::min({text.find("  ", first), text.find('\t', first), text.size()});
    columns.push_back(letters_of(text.substr(first, gap - first)));
    at = gap;
  }
  Header header{columns, columns.size(), 0, 0};
  header.iterations = place_of(columns, "iterations");
  header.validation = place_of(columns, "validation");
  return header;
}

class OsuReader {
 public:
  OsuReader(const std::string& path, const LogContext& context) : context_(context) {
    log_.path = path;
  }

  void take(const LogLine& line) {
    if (line.text.find("OSU ") != std::string::npos) {
      take_title(line.text);
      return;
    }
    const auto words = words_of(line.text);
    if (words.empty()) {
      return;
    }
    take_datatype(line.text);
    if (words.front() == "#" && words.size() > 1 && words[1] == "Size") {
      take_header(line);
    } else if (words.front().front() != '#' &&
               std::isdigit(static_cast<unsigned char>(words.front().front())) != 0) {
      take_row(line, words);
    }
  }

  [[nodiscard]] ImportedLog finished() {
    if (log_.records.empty()) {
      throw InputError(log_.path,
                       log_.skipped.empty()
                           ? "holds no table of the OSU micro-benchmarks (expected a title '# OSU "
                             "MPI Allreduce Latency Test' and rows under '# Size')"
                           : "holds no row that is modelled: " + log_.skipped.begin()->first);
    }
    return std::move(log_);
  }

 private:
  void take_title(const std::string& text) {
    static const std::regex form(
        R"(OSU ((?:MPI|NCCL|RCCL|XCCL)(?:-\w+)? )?(.*?)(?: v(\d\S*)| \(Version.*)?\s*)");
    const std::string title = text.substr(text.find("OSU "));
    std::smatch match;
    std::regex_match(title, match, form);
    title_ = title.substr(0, title.find_last_not_of(" \t") + 1);
    // "MPI-CUDA ", "NCCL "
    const std::string over = match[1];
    kind_ = over.empty() || over == "MPI " ? "host" : "cuda";
    test_.reset();
    header_ = {};
    type_ = "MPI_FLOAT";
    const auto* const found = std::ranges::find(tests, letters_of(match[2].str()), &Test::title);
    if (match[1].matched && found != tests.end()) {
      test_ = *found;
    }
    if (match[3].matched && log_.software.empty()) {
      log_.software.emplace_back("osu-micro-benchmarks", match[3]);
    }
  }

  void take_datatype(const std::string& text) {
    static const std::regex form(R"(# Datatype:\s*(\w+).*)");
    std::smatch match;
    if (std::regex_match(text, match, form)) {
      type_ = match[1];
    }
  }

  void take_header(const LogLine& line) {
    header_ = columns_of(line.text);
    if (!test_) {
      return;
    }
    for (const char* wanted : {"maxlatencyus", "avglatencyus", "latencyus"}) {
      header_.time = place_of(header_.names, wanted);
      if (header_.time < header_.names.size()) {
        return;
      }
    }
    throw InputError(line.place,
                     "has no column of latencies (expected one like 'Avg Latency(us)')");
  }

  void take_row(const LogLine& line, const std::vector<std::string>& words) {
    if (title_.empty()) {
      throw InputError(line.place,
                       "numbers before a title like '# OSU MPI Allreduce Latency Test'");
    }
    if (!test_) {
      ++log_.skipped["'" + title_ + "' is not modelled"];
      return;
    }
    if (header_.names.empty()) {
      throw InputError(line.place, "numbers before a header like '# Size  Avg Latency(us)'");
    }
    if (line.is_last && words.size() < header_.names.size()) {
      ++log_.skipped["cut off"];
      return;
    }
    if (words.size() <= header_.time) {
      throw InputError(line.place,
                       fmt::format("has {} fields (expected at least {}, as the header has)",
                                   words.size(),
                                   header_.time + 1));
    }
    if (header_.validation < words.size() && words[header_.validation] == "Fail") {
      throw InputError(line.place, "says that its results are wrong (Validation: Fail)");
    }
    const auto type = osu_type(type_);
    if (!type) {
      ++log_.skipped["elements of type '" + type_ + "'"];
      return;
    }
    const double size = positive_number_in(words.front());
    const double time = positive_number_in(words[header_.time]);
    if (size == 0.0) {
      ++log_.skipped["no bytes"];
      return;
    }
    if (time == 0.0) {
      throw InputError(
          line.place,
          fmt::format("time '{}' (expected microseconds above 0)", words[header_.time]));
    }
    if (!log_.device_kind.empty() && log_.device_kind != kind_) {
      throw InputError(line.place,
                       fmt::format("is of '{}', on buffers of '{}', the rows before of '{}' "
                                   "(expected one kind of buffers in a log)",
                                   title_,
                                   kind_,
                                   log_.device_kind));
    }
    log_.device_kind = kind_;
    const GroupShape group = shape(line.place);
    const double bytes = test_->is_per_peer ? size * static_cast<double>(group.ranks) : size;
    const double samples =
        header_.iterations < words.size() ? positive_number_in(words[header_.iterations]) : 1.0;
    log_.records.push_back({{test_->op, std::llround(bytes), *type, group},
                            timing_of_mean(time * unit::microsecond,
                                           std::max<std::int64_t>(1, std::llround(samples)))});
  }

  [[nodiscard]] GroupShape shape(const std::string& place) const {
    const bool is_pair = test_->op == Collective::send_recv;
    if (!is_pair && !context_.ranks) {
      throw InputError(place,
                       "an OSU log does not say how many ranks there were (expected --ranks)");
    }
    const std::int64_t ranks = is_pair ? 2 : *context_.ranks;
    if (ranks < 2) {
      throw InputError("--ranks", "a collective needs two at least");
    }
    return {ranks, std::min(ranks, context_.ranks_per_node.value_or(ranks)), 1};
  }

  LogContext context_;
  ImportedLog log_;
  std::string title_;
  std::optional<Test> test_;
  std::string kind_;  // where the buffers are
  std::string type_;
  Header header_;
};

}  // namespace

ImportedLog read_osu_text(std::string_view text,
                          const std::string& path,
                          const LogContext& context) {
  OsuReader reader(path, context);
  for (const LogLine& line : log_lines(text, path)) {
    reader.take(line);
  }
  return reader.finished();
}

ImportedLog read_osu(const std::string& path, const LogContext& context) {
  return read_osu_text(text_of_file(path, largest::log, "the log of a benchmark"), path, context);
}

}  // namespace forerun
