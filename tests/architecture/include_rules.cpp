#include "tests/architecture/include_rules.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <regex>
#include <string_view>

namespace forerun {
namespace {

namespace fs = std::filesystem;

using Words = std::vector<std::string_view>;

constexpr auto house = std::to_array<std::string_view>(
    {"units", "jobs", "topologies", "kernels", "comm", "estimator", "tests"});

bool lies_in(std::string_view file, std::string_view folder) {
  return file.starts_with(folder) && file.substr(folder.size()).starts_with('/');
}

bool lies_in_any(std::string_view file, const Words& folders) {
  return std::ranges::any_of(folders,
                             [&](std::string_view folder) { return lies_in(file, folder); });
}

std::string_view floor_of(std::string_view file) {
  return file.substr(0, file.find('/'));
}

std::string joined(const Words& words) {
  std::string text;
  for (const std::string_view word : words) {
    text += (text.empty() ? "" : ", ") + std::string(word);
  }
  return text;
}

/// What each floor may include. Tests may include everything.
const Words& below(std::string_view floor) {
  static const std::map<std::string_view, Words> floors{
      {"units", {"units"}},
      {"jobs", {"units", "jobs"}},
      {"topologies", {"units", "topologies"}},
      {"kernels", {"units", "topologies", "kernels"}},
      {"comm", {"units", "topologies", "comm"}},
      {"estimator", {"units", "jobs", "topologies", "kernels", "comm", "estimator"}},
      {"tests", {"units", "jobs", "topologies", "kernels", "comm", "estimator", "tests"}}};
  return floors.at(floor);
}

/// A folder of estimator/ and the ones that it may include besides itself.
struct Room {
  std::string_view name;
  Words may_include;
};

/// The columns from left to right. In the first one a folder may also include those that stand
/// before it: it prices, adds up and stores what they define.
const std::vector<Room>& rooms() {
  static const Words first{"step", "run", "profile", "backend"};
  static const Words second{
      "step", "run", "profile", "backend", "estimate", "measure", "plan", "capacity"};
  static const Words beside_estimate{"step", "run", "profile", "backend", "estimate"};
  static const Words third{"step",
                           "run",
                           "profile",
                           "backend",
                           "estimate",
                           "measure",
                           "plan",
                           "capacity",
                           "rehearse",
                           "forecast",
                           "validate",
                           "import"};
  static const Words asking = [] {
    Words rooms = third;
    rooms.push_back("report");
    return rooms;
  }();
  static const std::vector<Room> all{{"step", {}},
                                     {"run", {"step"}},
                                     {"profile", {"step", "run"}},
                                     {"backend", {"step", "run", "profile"}},
                                     {"estimate", first},
                                     {"measure", first},
                                     {"plan", beside_estimate},
                                     {"capacity", first},
                                     {"rehearse", second},
                                     {"forecast", second},
                                     {"validate", second},
                                     {"import", first},
                                     {"report", third},
                                     {"cli", asking}};
  return all;
}

/// "step" of "estimator/step/price.hpp"; empty for files directly in estimator/.
std::string_view room_of(std::string_view file) {
  const std::string_view rest = file.substr(std::string_view("estimator/").size());
  const std::size_t slash = rest.find('/');
  return slash == std::string_view::npos ? std::string_view() : rest.substr(0, slash);
}

std::optional<std::string> broken_in_estimator(const Include& include) {
  const std::string_view room = room_of(include.file);
  if (room.empty()) {
    return std::nullopt;  // main.cpp and what it is cut into stand rightmost
  }
  const auto found = std::ranges::find(rooms(), room, &Room::name);
  if (found == rooms().end()) {
    return "estimator/" + std::string(room) + " has no place in the plan of the house";
  }
  const std::string_view other = room_of(include.included);
  const bool allowed =
      other == room ||
      (!other.empty() && std::ranges::find(found->may_include, other) != found->may_include.end());
  if (allowed) {
    return std::nullopt;
  }
  return "estimator/" + std::string(room) + " may include what stands to its left only (" +
         (found->may_include.empty() ? "nothing" : joined(found->may_include)) + ")";
}

std::optional<std::string> broken_between_floors(const Include& include, const fs::path& root) {
  if (!fs::exists(root / include.included)) {
    return "there is no such file, seen from the root";
  }
  const std::string_view floor = floor_of(include.file);
  const Words& allowed = below(floor);
  if (std::ranges::find(allowed, floor_of(include.included)) == allowed.end()) {
    return std::string(floor) + " may include " + joined(allowed) + " only";
  }
  const bool within_estimator = floor == "estimator" && lies_in(include.included, "estimator");
  return within_estimator ? broken_in_estimator(include) : std::nullopt;
}

/// A foreign header and where it may be included.
struct Home {
  std::regex header;  ///< matches the whole name
  std::function<bool(std::string_view)> welcomes;
  std::string_view rule;
};

std::function<bool(std::string_view)> in(Words folders) {
  return
      [folders = std::move(folders)](std::string_view file) { return lies_in_any(file, folders); };
}

bool is_source(std::string_view file) {
  return file.ends_with(".cpp");
}

bool is_impure(std::string_view file) {
  return !lies_in_any(file, {"estimator/step", "estimator/run"});
}

const std::vector<Home>& homes() {
  static const std::vector<Home> all{
      {std::regex("mpi\\.h"),
       [](std::string_view file) {
         return lies_in(file, "comm/mpi") || file == "tests/mpi_main.cpp" ||
                file == "tests/benchmarks/collective_benchmark.cpp";
       },
       "MPI lives in comm/mpi, tests/mpi_main.cpp and the benchmark that runs plain MPI"},
      {std::regex("nccl.*\\.h"),
       in({"comm/nccl", "tests/comm/nccl"}),
       "NCCL lives in comm/nccl and its tests"},
      {std::regex("(cuda|cublas|cudnn|nvml|nvtx|cub/|thrust/).*"),
       in({"kernels/cuda", "comm/nccl", "tests/comm/nccl", "tests/fake"}),
       "CUDA lives in kernels/cuda, comm/nccl, the tests of the latter and what emulates it"},
      {std::regex("boost/.*"), in({"estimator/cli"}), "Boost lives in estimator/cli"},
      {std::regex("(unsupported/)?Eigen/.*"),
       is_source,
       "Eigen stays out of headers and of CUDA files"},
      {std::regex("toml\\+\\+/.*"),
       [](std::string_view file) {
         return is_source(file) || file == "topologies/cluster_table.hpp";
       },
       "toml++ stays out of headers that other folders see and of CUDA files"},
      {std::regex("yaml-cpp/.*"), in({"estimator/cli"}), "yaml-cpp lives in estimator/cli"},
      {std::regex("dlfcn\\.h"),
       [](std::string_view file) {
         return lies_in_any(file,
                            {"estimator/backend", "comm/mpi", "tests/comm", "tests/kernels"}) ||
                file == "kernels/cuda/management_library.cpp";
       },
       "the dynamic loader lives in estimator/backend, comm/mpi, "
       "kernels/cuda/management_library.cpp and the tests of modules"},
      {std::regex("(oneapi/)?dnnl.*"),
       in({"kernels/host", "tests/benchmarks"}),
       "oneDNN lives in kernels/host and tests/benchmarks"},
      {std::regex("hwloc.*"), in({"topologies"}), "hwloc lives in topologies"},
      {std::regex(
           "fstream|iostream|cstdio|filesystem|chrono|ctime|thread|future|mutex|random|dlfcn\\.h|"
           "unistd\\.h|stdio\\.h|time\\.h"),
       is_impure,
       "estimator/step and estimator/run are pure: no files, no clock, no threads, no chance"}};
  return all;
}

std::optional<std::string> broken_by_stranger(const Include& include) {
  for (const Home& home : homes()) {
    if (std::regex_match(include.included, home.header) && !home.welcomes(include.file)) {
      return std::string(home.rule);
    }
  }
  return std::nullopt;
}

bool is_header(const fs::path& file) {
  return file.extension() == ".hpp" || file.extension() == ".cuh";
}

std::vector<std::string> sources_below(const fs::path& root) {
  std::vector<std::string> files;
  for (const std::string_view folder : house) {
    if (!fs::exists(root / folder)) {
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& file = entry.path();
      if (is_header(file) || file.extension() == ".cpp" || file.extension() == ".cu") {
        files.push_back(file.lexically_relative(root).generic_string());
      }
    }
  }
  std::ranges::sort(files);
  return files;
}

std::optional<Include> include_in(const std::string& line) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::smatch match;
  if (!std::regex_match(line, match, pattern)) {
    return std::nullopt;
  }
  Include include;
  include.included = match[2].str();
  include.is_ours = match[1].str() == "\"";
  return include;
}

}  // namespace

std::vector<Include> includes_below(const fs::path& root) {
  std::vector<Include> includes;
  for (const std::string& file : sources_below(root)) {
    std::ifstream text(root / file);
    int number = 0;
    for (std::string line; std::getline(text, line);) {
      ++number;
      if (auto include = include_in(line)) {
        include->file = file;
        include->line = number;
        includes.push_back(*include);
      }
    }
  }
  return includes;
}

std::vector<std::string> broken_rules(const fs::path& root) {
  std::vector<std::string> sentences;
  for (const Include& include : includes_below(root)) {
    // A foreign header is foreign in quotes too.
    auto broken = broken_by_stranger(include);
    if (!broken && include.is_ours) {
      broken = broken_between_floors(include, root);
    }
    if (broken) {
      sentences.push_back(include.file + ":" + std::to_string(include.line) + " includes " +
                          include.included + ": " + *broken);
    }
  }
  return sentences;
}

std::vector<std::string> headers_without_opening(const fs::path& root) {
  std::vector<std::string> headers;
  for (const std::string& file : sources_below(root)) {
    if (!is_header(file)) {
      continue;
    }
    std::ifstream text(root / file);
    std::string line;
    bool opens = std::getline(text, line) && line.starts_with("// ");
    while (opens && std::getline(text, line) && line.starts_with("//")) {
    }
    if (!opens || line != "#pragma once") {
      headers.push_back(file);
    }
  }
  return headers;
}

}  // namespace forerun
